"""`cronguard time-slice`: let the nodes take turns by the clock."""

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

import click

from cronguard.cli.common import program_for_cron
from cronguard.system.errors import UsageError
from cronguard.system.program import shell_line

if TYPE_CHECKING:
    from cronguard.turns.time_slice import Slice

_SKIPPED = 75
_MOST_NODES = 1000
_SHORTEST_SLICE = 1.0  # seconds; starting a command takes a large part of a second
_SCHEDULE = re.compile(r"\s*(?:(?:CRON_)?TZ=\S+\s+)?(?:@\S+|\S+(?:\s+\S+){4})\s*")
_RUN_HINT = (
    "use cronguard time-slice --nodes 2 --index 0 --schedule '*/10 * * * *' -- COMMAND, or --slice 10m"
)
_PRINT_HINT = "to see this node's schedule: cronguard time-slice --nodes 2 --index 0 '*/10 * * * *'"


class _Filter(click.Command):
    """Print the input unchanged even if the options are wrong: people pipe this into `crontab -`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError:
            if _reads_crontab(given) and not ctx.resilient_parsing:
                _write(_read())
            raise


def _reads_crontab(arguments: list[str]) -> bool:
    of_other_forms = ("--schedule", "--slice", "--write", "-c", "@")
    has_other_form = any(a == "--" or " " in a or a.startswith(of_other_forms) for a in arguments)
    return not has_other_form and not sys.stdin.isatty()


@click.command(
    "time-slice",
    short_help="Take turns by the clock, without a shared store",
    epilog="""\b
Examples:
  cronguard time-slice --nodes 2 --index 0 '*/10 * * * *'
  cronguard time-slice --nodes 2 --index 0 --slice 10m -- make-report --all
  cronguard time-slice --nodes 2 --index 0 --write""",
    cls=_Filter,
    context_settings={"allow_interspersed_args": False},
)
@click.option(
    "--nodes",
    metavar="N",
    type=click.IntRange(1, _MOST_NODES),
    required=True,
    help="How many nodes take turns.",
)
@click.option(
    "--index",
    metavar="I",
    type=click.IntRange(0, _MOST_NODES - 1),
    required=True,
    help="Number of this node, counted from 0.",
)
@click.option("--schedule", metavar="CRON", help="A slice lasts from one tick of this schedule to the next.")
@click.option(
    "--slice", "period", metavar="TIME", help="A slice lasts this long; slices are counted from 1970."
)
@click.option(
    "--strict/--no-strict", default=True, help="Stop the command when its slice ends (the default)."
)
@click.option("--timezone", metavar="ZONE", help="Time zone of the schedule (default: this machine's).")
@click.option(
    "--system", is_flag=True, help="The crontab names a user before each command, as /etc/crontab does."
)
@click.option(
    "--write",
    is_flag=True,
    help="Install this node's share instead of printing it, and keep a copy of the old crontab.",
)
@click.option("-c", "line", metavar="LINE", help="Run this shell line.")
@click.argument("words", metavar="[SCHEDULE | [--] COMMAND [ARG]...]", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context,
    nodes: int,
    index: int,
    schedule: str | None,
    period: str | None,
    strict: bool,
    timezone: str | None,
    system: bool,
    write: bool,
    line: str | None,
    words: tuple[str, ...],
) -> None:
    """Let the nodes take turns by the clock, without a shared store.

    With a SCHEDULE, print the crontab schedules of this node. With a COMMAND or -c, and --schedule or --slice, run the
    command if the current slice is this node's; otherwise exit with status 75. With neither, read a crontab from
    standard input (on a terminal: your own) and print this node's share of it. On any error, print it unchanged.
    """
    if schedule is not None or period is not None or line is not None:
        _check(nodes, index)
        argv = _command_line(line, words)
        ctx.exit(_run(argv, _current_slice(schedule, period, timezone), nodes, index, strict=strict))
    elif words:
        _check(nodes, index)
        _print_shares(words, nodes, index, timezone)
    else:
        _split(nodes, index, timezone, system=system, write=write)


def _check(nodes: int, index: int) -> None:
    if index >= nodes:
        raise UsageError(
            f"--index: {index} is not less than the number of nodes, {nodes}", "use 0 for the first node"
        )


def _print_shares(words: tuple[str, ...], nodes: int, index: int, timezone: str | None) -> None:
    from cronguard.schedule.schedule import Schedule
    from cronguard.turns.time_slice import share

    if len(words) > 1 or not _SCHEDULE.fullmatch(words[0]):
        raise UsageError("a command needs --schedule or --slice before it", f"{_RUN_HINT}; or {_PRINT_HINT}")
    shares = share(Schedule.parse(words[0], timezone), nodes, index)
    if shares is None:
        raise UsageError(
            f"cron cannot express the share of node {index} of {nodes} in {words[0]!r}",
            f"keep the schedule, and run: {_gate('cronguard', nodes, index, words[0], timezone)} 'COMMAND'",
        )
    for expression in shares:
        click.echo(expression)


def _command_line(line: str | None, words: tuple[str, ...]) -> list[str]:
    if (line is None) == (not words):
        raise UsageError("either a command or -c is needed, but not both", f"{_RUN_HINT}; or {_PRINT_HINT}")
    if line is None:
        return list(words)
    return shell_line(line, os.environ)


def _current_slice(schedule: str | None, period: str | None, timezone: str | None) -> "Slice":
    from cronguard.model.duration import parse_duration
    from cronguard.turns.time_slice import slice_of_period, slice_of_schedule

    if (schedule is None) == (period is None):
        raise UsageError("either --schedule or --slice is needed, but not both", _RUN_HINT)
    if schedule is not None:
        from cronguard.schedule.schedule import Schedule

        return slice_of_schedule(Schedule.parse(schedule, timezone), _started())
    seconds = parse_duration(period or "", "--slice")
    if seconds < _SHORTEST_SLICE:
        raise UsageError(f"--slice: {period!r} is less than a second", _RUN_HINT)
    return slice_of_period(seconds, _started())


def _started() -> float:
    """Return when cron started this process: on a busy machine, Python may start up only in the next slice."""
    from cronguard.system.clock import Clock, process_started

    clock = Clock()
    return clock.wall() - (clock.boot() - process_started(clock))


def _run(argv: list[str], current: "Slice", nodes: int, index: int, *, strict: bool) -> int:
    from cronguard.system.clock import Clock

    left = current.end - Clock().wall()
    if not current.belongs_to(nodes, index) or (strict and left <= 0):
        return _SKIPPED
    from cronguard.run.plain import run_plain

    return run_plain(argv, dict(os.environ), left if strict else None)


def _split(nodes: int, index: int, timezone: str | None, *, system: bool, write: bool) -> None:
    given = _read()
    try:
        _check(nodes, index)
        new = _split_text(given, nodes, index, timezone, system=system)
        if write:
            _install(given, new, system=system)
    except BaseException:
        if not write:
            _write(given)
        raise
    if not write:
        _write(new)


def _split_text(given: bytes, nodes: int, index: int, timezone: str | None, *, system: bool) -> bytes:
    from cronguard.crontab.split import split
    from cronguard.schedule.schedule import Schedule
    from cronguard.turns.time_slice import share

    def shares(expression: str, zone: str | None) -> list[str] | None:
        parsed = Schedule.parse(expression, zone or timezone)
        return [expression] if nodes == 1 else share(parsed, nodes, index)

    def gate(expression: str, zone: str | None) -> str:
        return _gate(program_for_cron(), nodes, index, expression, zone or timezone)

    text = given.decode(errors="surrogateescape")
    return split(text, shares, gate, system=system).encode(errors="surrogateescape")


def _gate(program: str, nodes: int, index: int, expression: str, timezone: str | None) -> str:
    zone = f" --timezone {shlex.quote(timezone)}" if timezone else ""
    schedule = shlex.quote(" ".join(expression.split()))
    # not strict, because lines that need no gate are not stopped at the end of a slice either
    return f"{program} time-slice --nodes {nodes} --index {index}{zone} --no-strict --schedule {schedule} -c"


def _read() -> bytes:
    from cronguard.crontab.installed import read_crontab

    return read_crontab() if sys.stdin.isatty() else sys.stdin.buffer.read()


def _write(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.flush()


def _install(given: bytes, new: bytes, *, system: bool) -> None:
    from cronguard.cli.common import backup_place
    from cronguard.crontab.installed import install_crontab

    if system:
        raise UsageError(
            "--write installs a user's crontab, not a --system one", "redirect the output to a file"
        )
    if not given.strip():  # under ssh or ansible standard input is often empty
        raise UsageError(
            "--write: standard input is empty", "use crontab -l | cronguard time-slice ... --write"
        )
    backup = install_crontab(new, *backup_place())
    if backup:
        click.echo(f"cronguard: crontab updated; the previous version is in {backup}", err=True)
