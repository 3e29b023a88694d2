"""`cronguard crontab check`: what is guarded, what is not, and what is wrong."""

import click

from cronguard.cli.main import FOUND


@click.command("check", short_help="Say which lines are guarded, and what is wrong.")
@click.option("--system/--no-system", default=None, help="The lines name a user before the command, or not.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.argument("crontabs", metavar="[CRONTAB]...", nargs=-1, type=click.Path())
@click.pass_context
def command(ctx: click.Context, system: bool | None, as_json: bool, crontabs: tuple[str, ...]) -> None:
    """Say of each line whether it is guarded, and what is wrong with it.

    Exit status 0: every line is guarded, or left alone on purpose; 1: some are not, or have a problem.
    """
    from cronguard.crontab.check import PROBLEM, UNGUARDED, check_all
    from cronguard.crontab.source import OWN, read_source
    from cronguard.report import output

    sources = [read_source(where, system=system) for where in crontabs or (OWN,)]
    findings = check_all((source.title, source.text, source.system) for source in sources)
    found = [(title, *finding) for title, finding in findings]
    keys = ("crontab", "line", "state", "job", "says")
    if as_json:
        click.echo(output.as_json([dict(zip(keys, row, strict=True)) for row in found]))
    else:
        click.echo(
            output.table([key.upper() for key in keys], found) if found else "no lines that run something"
        )
    if any(state in (PROBLEM, UNGUARDED) for _, _, state, _, _ in found):
        ctx.exit(FOUND)
