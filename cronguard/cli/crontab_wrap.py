"""`cronguard crontab wrap`: guard the lines of a crontab."""

import click

from cronguard.cli.common import program_for_cron
from cronguard.cli.rewriting import rewrite, rewriting_options


@click.command("wrap", short_help="Put guards before the commands.")
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
    from cronguard.crontab.wrap import Rewritten, Wish, names_in, wrap
    from cronguard.model.job import check_name

    said = check_name(ns, "--ns") if ns is not None else None
    wish = Wish(program_for_cron(), said, replace_flock=replace_flock)
    taken: set[str] = set()

    def rewritten(source: Source) -> Rewritten:
        own = wish._replace(default_ns=source.ns, system=source.system, taken=frozenset(taken))
        result = wrap(source.text, own)
        if said is not None:  # one namespace for all, so no two of them may have a job of one name
            taken.update(names_in(result.text, system=source.system))
        return result

    rewrite(crontabs, rewritten, system=system, write=write, whole=whole)
