"""`cronguard crontab unwrap`: take the guards off again."""

import click

from cronguard.cli.rewriting import rewrite, rewriting_options


@click.command("unwrap", short_help="Take the guards off, byte for byte.")
@rewriting_options
def command(crontabs: tuple[str, ...], system: bool | None, write: bool, whole: bool) -> None:
    """Show each CRONTAB as it was before `wrap`, byte for byte; with --write, put it in place.

    Guards that a person has written stay.
    """
    from cronguard.crontab.wrap import unwrap

    rewrite(
        crontabs,
        lambda source: unwrap(source.text, system=source.system),
        system=system,
        write=write,
        whole=whole,
    )
