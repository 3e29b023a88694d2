"""`cronguard locks`: show who holds which lease, and what is paused."""

from typing import TYPE_CHECKING, Any

import click

from cronguard.cli import completing
from cronguard.cli.common import open_storage, storage_options
from cronguard.cli.watch import show, watch_options

if TYPE_CHECKING:
    from cronguard.store.contract import Backend

_HEADERS = ("JOB", "STATE", "NODE", "PID", "TICK", "SINCE", "UNTIL", "TOKEN")
_PAUSED = ("PAUSED", "SINCE", "UNTIL", "BY", "REASON")


@click.command(
    "locks",
    short_help="Show which node runs what, and what is paused",
    epilog="""\b
Examples:
  cronguard locks
  cronguard locks --ns billing --all
  cronguard locks --paused --json""",
)
@click.option("--ns", metavar="NS", shell_complete=completing.namespaces, help="Show only this namespace.")
@click.option("--all", "show_all", is_flag=True, help="Also show jobs that are not running.")
@click.option("--paused", "only_paused", is_flag=True, help="Show only what is paused.")
@watch_options
@storage_options
def command(
    ns: str | None, show_all: bool, only_paused: bool, as_json: bool, watch: bool, **where: str | None
) -> None:
    """Show who holds which lease, since when, until when and for which tick, and what is paused."""
    from cronguard.report.inventory import leases, paused

    storage = open_storage(**where)

    def look(backend: "Backend") -> list[dict[str, Any]]:
        wall = storage.clock.wall()
        held = [] if only_paused else leases(backend, ns, wall)
        shown = [row for row in held if show_all or row["state"] in ("running", "revoked", "unreadable")]
        return shown if as_json and not only_paused else shown + paused(backend, ns, wall)

    def text(found: list[dict[str, Any]]) -> str:
        held, kept = ([row for row in found if ("job" in row) is is_lease] for is_lease in (True, False))
        now = storage.clock.wall()
        locks = _locks_as_text(held, now) if held else "" if only_paused else "no locks"
        pauses = _paused_as_text(kept, now) if kept else "nothing is paused" if only_paused else ""
        return "\n\n".join(filter(None, (locks, pauses)))

    show(lambda: storage.ask(look), text, as_json=as_json, watch=watch)


def _locks_as_text(rows: list[dict[str, Any]], now: float) -> str:
    from cronguard.report.output import table

    text = table(_HEADERS, [_cells(row, now) for row in rows])
    held = [row["job"] for row in rows if row["state"] in ("running", "revoked")]
    problems = [f"\n{row['problem']}" for row in rows if "problem" in row]
    return text + "".join(problems) + (_how_to_clear(rows, now) if held else "")


def _paused_as_text(rows: list[dict[str, Any]], now: float) -> str:
    from cronguard.report.output import table

    problems = [f"\n{row['problem']}" for row in rows if "problem" in row]
    return table(_PAUSED, [_paused_cells(row, now) for row in rows]) + "".join(problems)


def _paused_cells(row: dict[str, Any], now: float) -> list[str]:
    from cronguard.report.output import moment

    what = row["name"] if row["kind"] == "job" else f"{row['kind']} {row['name']}"
    if "problem" in row:
        return [what, "unreadable"]
    until = "until it is resumed" if row["until"] is None else moment(row["until"], now)
    return [what, moment(row["since"], now), until, row["by"], row["reason"]]


def _how_to_clear(rows: list[dict[str, Any]], now: float) -> str:
    held = [row for row in rows if row.get("until") is not None]
    overdue = [row["job"] for row in held if row["until"] < now]
    advice = f"\n\nto stop a job and clear its lock: cronguard unlock {held[0]['job']}"
    if overdue:
        advice += (
            f"\n{overdue[0]} is no longer renewed: the next run takes it over automatically; if you know that the job is "
            f"dead: cronguard unlock --force {overdue[0]}"
        )
    return advice


def _cells(row: dict[str, Any], now: float) -> list[str]:
    from cronguard.report.output import moment

    if "problem" in row:
        return [row["job"], row["state"]]
    ending = row["until"] if row["until"] is not None else row["ended"]
    since, until = (moment(at, now) if at else "" for at in (row["started"], ending))
    return [
        row["job"],
        _state(row),
        row["node"],
        str(row["pid"]),
        row["tick"],
        since,
        until,
        str(row["token"]),
    ]


def _state(row: dict[str, Any]) -> str:
    return f"{row['state']} ({row['status']})" if row["status"] else str(row["state"])
