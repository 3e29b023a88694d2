"""`cronguard history`: show what ran where, when, for how long, and how it ended."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from cronguard.cli import completing
from cronguard.cli.common import open_storage, storage_options
from cronguard.system.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from cronguard.report.history import Run

_HEADERS = ("JOB", "TICK", "NODE", "STATE", "STATUS", "ATTEMPT", "STARTED", "TOOK")
_LEFT_OUT, _WIDE = ("STATUS", "ATTEMPT", "STARTED"), 100  # columns that a narrower terminal leaves out


@click.command(
    "history",
    short_help="Show what ran where, and how it ended",
    epilog="""\b
Examples:
  cronguard history
  cronguard history billing/charge --schedule '0 0 * * *' --last 20
  cronguard history billing/charge --svg charge.svg""",
)
@click.option(
    "--ns", metavar="NS", shell_complete=completing.namespaces, help="Only the jobs of this namespace."
)
@click.option("--schedule", metavar="CRON", help="Schedule of the job; also show ticks that were not run.")
@click.option("--timezone", metavar="ZONE", help="Time zone of the schedule (default: this machine's).")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the newest N lines of each job.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--svg", metavar="FILE", type=click.Path(), help="Draw an SVG picture into this file instead.")
@storage_options
@click.argument("job", metavar="[NS/JOB]", required=False, shell_complete=completing.jobs)
def command(
    job: str | None,
    ns: str | None,
    schedule: str | None,
    timezone: str | None,
    last: int | None,
    as_json: bool,
    svg: str | None,
    **where: str | None,
) -> None:
    """Show what happened at the last ticks of NS/JOB, or of every job.

    The output is a table, and a row of symbols for each node. The record of a job keeps its last 50 runs.
    """
    found = _runs(job, ns, schedule, timezone, where)
    shown = {name: runs[-last:] if last else runs for name, runs in found.items()}
    if svg is not None:
        write_picture([run for runs in shown.values() for run in runs], svg)
    elif as_json:
        _print_json(shown)
    else:
        _print(shown)


def _runs(
    job: str | None, ns: str | None, schedule: str | None, timezone: str | None, where: dict[str, Any]
) -> dict[str, list["Run"]]:
    from cronguard.model.job import Job, check_name
    from cronguard.report.history import recorded, runs, with_missed

    named = str(Job.parse(job)) if job is not None else None
    only = check_name(ns, "--ns") if ns is not None else None
    if schedule is not None and named is None:
        raise UsageError("--schedule needs one job", "use cronguard history --schedule '*/5 * * * *' NS/JOB")
    storage = open_storage(**where)
    found = storage.ask(lambda backend: recorded(backend, only, named))
    if named is not None and named not in found:
        raise UsageError(f"there is no job {named!r}", "see cronguard locks --all")
    done = {name: runs(name, outcomes) for name, outcomes in found.items()}
    if schedule is not None:
        from cronguard.schedule.schedule import Schedule

        known = Schedule.parse(schedule, timezone)
        done = {name: with_missed(rows, known, storage.clock.wall()) for name, rows in done.items()}
    return done


def _print_json(found: dict[str, list["Run"]]) -> None:
    from cronguard.report.history import as_row
    from cronguard.report.output import as_json

    click.echo(as_json([as_row(run) for runs in found.values() for run in runs]))


def _print(found: dict[str, list["Run"]]) -> None:
    from cronguard.report.output import table, terminal_width

    rows = [_cells(run) for runs in found.values() for run in runs]
    if not rows:
        click.echo("no runs")
        return
    is_narrow = sys.stdout.isatty() and terminal_width() < _WIDE
    columns = [
        name
        for name in _HEADERS
        if not (is_narrow and name in _LEFT_OUT) and not (name == "JOB" and len(found) == 1)
    ]
    click.echo(table(columns, [[row[name] for name in columns] for row in rows]))
    for name, runs in found.items():
        if runs:
            click.echo(f"\n{name}")
            print_picture(runs)


def print_picture(runs: list["Run"]) -> None:
    """Print runs as a row of symbols for each node, with the width and colours of standard output."""
    from cronguard.report.output import speaks_unicode, terminal_width, wants_colour
    from cronguard.report.timeline import draw

    looks = {
        "unicode": speaks_unicode(sys.stdout, os.environ),
        "colour": wants_colour(sys.stdout, os.environ),
    }
    click.echo(draw(runs, terminal_width(), **looks), color=True)


def _cells(run: "Run") -> dict[str, str]:
    from cronguard.model.duration import format_duration
    from cronguard.model.tick import Tick
    from cronguard.report.output import local_time

    cells = {"JOB": run.job, "TICK": Tick.of(run.tick).label, "NODE": run.node, "STATE": run.state}
    cells["STATUS"] = "" if run.status is None else str(run.status)
    cells["ATTEMPT"] = str(run.attempt) if run.node else ""
    cells["STARTED"] = "" if run.started is None else local_time(run.started)
    cells["TOOK"] = "" if run.seconds is None else format_duration(run.seconds)
    return cells


def write_picture(runs: list["Run"], path: str) -> None:
    """Draw runs into an SVG file, or to standard output for `-`; raises ConfigError if the file cannot be written."""
    import time

    from cronguard.report.svg import draw

    text = draw(runs, time.time())
    if path == "-":
        click.echo(text, nl=False)
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}", "name another file after --svg"
        ) from error
