"""`cronguard crontab wrap`: guard the commands in a crontab."""

import click

from cronguard.cli.common import program_for_cron
from cronguard.cli.rewriting import rewrite, rewriting_options


@click.command(
    "wrap",
    short_help="Put a guard before each command",
    epilog="""\b
Examples:
  cronguard crontab wrap --ns shop
  cronguard crontab wrap --ns shop --write
  cronguard crontab wrap --replace-flock --write /etc/cron.d/shop""",
)
@click.option(
    "--ns",
    metavar="NS",
    help="Namespace of the jobs (default: the crontab's CRONGUARD_NS, or the name of the user or file).",
)
@click.option("--replace-flock", is_flag=True, help="Remove a flock -n that the guard makes unnecessary.")
@rewriting_options
def command(
    ns: str | None,
    replace_flock: bool,
    crontabs: tuple[str, ...],
    system: bool | None,
    write: bool,
    whole: bool,
) -> None:
    """Show each CRONTAB with a guard before each command. With --write, install that version.

    A line stays unchanged if it cannot be guarded, is guarded already, or is marked "# cronguard: skip" (above it or
    at its end). The reason is printed.
    """
    from cronguard.crontab.source import Source
    from cronguard.crontab.wrap import Guarding, Rewritten, names_in, wrap
    from cronguard.model.job import check_name

    said = check_name(ns, "--ns") if ns is not None else None
    guarding = Guarding(program_for_cron(), said, replace_flock=replace_flock)
    taken: set[str] = set()

    def rewritten(source: Source) -> Rewritten:
        own = guarding._replace(default_ns=source.ns, system=source.system, taken=frozenset(taken))
        result = wrap(source.text, own)
        if said is not None:  # all crontabs share one namespace, so no two may use the same job name
            taken.update(names_in(result.text, system=source.system))
        return result

    rewrite(crontabs, rewritten, system=system, write=write, whole=whole)
