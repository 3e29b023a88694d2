"""`cronguard crontab wrap`: guard the lines of a crontab."""

import click

from cronguard.cli.common import program_for_cron
from cronguard.cli.rewriting import rewrite, rewriting_options


@click.command("wrap")
@click.option("--ns", metavar="NS", help="Namespace of the jobs (default: the user's or the file's name).")
@click.option("--replace-flock", is_flag=True, help="Leave out a flock -n that the guard makes needless.")
@rewriting_options
def command(
    ns: str | None,
    replace_flock: bool,
    crontabs: tuple[str, ...],
    system: bool | None,
    write: bool,
    whole: bool,
) -> None:
    """Show each CRONTAB with a guard before the commands; with --write, put it in place.

    A line that cannot be guarded, is guarded, or is marked "# cronguard: skip" (above it, or at its end) stays, and
    why is said.
    """
    from cronguard.crontab.source import Source
    from cronguard.crontab.wrap import Rewritten, Wish, wrap
    from cronguard.job import check_name

    said = check_name(ns, "--ns") if ns is not None else None
    program = program_for_cron()

    def rewritten(source: Source) -> Rewritten:
        return wrap(source.text, Wish(program, said, source.ns, source.system, replace_flock))

    rewrite(crontabs, rewritten, system=system, write=write, whole=whole)
