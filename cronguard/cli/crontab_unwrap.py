"""`cronguard crontab unwrap`: remove the guards again."""

import click

from cronguard.cli.rewriting import rewrite, rewriting_options


@click.command(
    "unwrap",
    short_help="Remove the guards that wrap added",
    epilog="""\b
Examples:
  cronguard crontab unwrap
  cronguard crontab unwrap --write /etc/cron.d/shop""",
)
@rewriting_options
def command(crontabs: tuple[str, ...], system: bool | None, write: bool, whole: bool) -> None:
    """Show each CRONTAB as it was before `wrap`, byte for byte. With --write, install that version.

    Guards that were written by hand stay.
    """
    from cronguard.crontab.wrap import unwrap

    rewrite(
        crontabs,
        lambda source: unwrap(source.text, system=source.system),
        system=system,
        write=write,
        whole=whole,
    )
