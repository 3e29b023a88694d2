"""`cronguard crontab check`: report which lines are guarded, which are not, and what is wrong."""

import click

from cronguard.cli.main import FOUND

_KEYS = ("crontab", "line", "state", "job", "says")
_HEADERS = ("CRONTAB", "LINE", "STATE", "JOB", "MESSAGE")


@click.command(
    "check",
    short_help="Show which lines are guarded, and what is wrong",
    epilog="""\b
Examples:
  cronguard crontab check
  cronguard crontab check --json /etc/crontab /etc/cron.d/shop""",
)
@click.option("--system/--no-system", default=None, help="Whether lines name a user before the command.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("crontabs", metavar="[CRONTAB]...", nargs=-1, type=click.Path())
@click.pass_context
def command(ctx: click.Context, system: bool | None, as_json: bool, crontabs: tuple[str, ...]) -> None:
    """Report for each line whether it is guarded, and what is wrong with it.

    The exit status is 0 if every line is guarded or left alone on purpose, and 1 if a line is not guarded or has a
    problem.
    """
    from cronguard.crontab.check import PROBLEM, UNGUARDED, check_all
    from cronguard.crontab.source import OWN, read_source
    from cronguard.report import output

    sources = [read_source(where, system=system) for where in crontabs or (OWN,)]
    findings = check_all((source.title, source.text, source.system) for source in sources)
    found = [(title, *finding) for title, finding in findings]
    if as_json:
        click.echo(output.as_json([dict(zip(_KEYS, row, strict=True)) for row in found]))
    else:
        click.echo(output.table(_HEADERS, found) if found else "no lines that run a command")
    if any(state in (PROBLEM, UNGUARDED) for _, _, state, _, _ in found):
        ctx.exit(FOUND)
