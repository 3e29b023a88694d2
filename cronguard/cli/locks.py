"""`cronguard locks`: who holds what."""

from typing import Any

import click

from cronguard.cli.common import open_storage, storage_options
from cronguard.cli.watch import show, watch_options

_HEADERS = ("JOB", "STATE", "NODE", "PID", "TICK", "SINCE", "UNTIL", "TOKEN")


@click.command("locks")
@click.option("--ns", metavar="NS", help="Only this namespace.")
@click.option("--all", "show_all", is_flag=True, help="Also jobs that are not running.")
@watch_options
@storage_options
def command(ns: str | None, show_all: bool, as_json: bool, watch: bool, **where: str | None) -> None:
    """Show who holds which lock, since when, until when, and for which tick."""
    from cronguard.inventory import leases

    storage = open_storage(**where)

    def rows() -> list[dict[str, Any]]:
        found = storage.ask(lambda backend: leases(backend, ns, storage.clock.wall()))
        return [row for row in found if show_all or row["state"] in ("running", "revoked", "unreadable")]

    def text(found: list[dict[str, Any]]) -> str:
        return _as_text(found, storage.clock.wall())

    show(rows, text, as_json=as_json, watch=watch)


def _as_text(rows: list[dict[str, Any]], now: float) -> str:
    from cronguard.output import table

    if not rows:
        return "no locks"
    text = table(_HEADERS, [_cells(row, now) for row in rows])
    held = [row["job"] for row in rows if row["state"] in ("running", "revoked")]
    problems = [f"\n{row['problem']}" for row in rows if "problem" in row]
    return text + "".join(problems) + (_how_to_clear(rows, now) if held else "")


def _how_to_clear(rows: list[dict[str, Any]], now: float) -> str:
    held = [row for row in rows if row["until"] is not None]
    overdue = [row["job"] for row in held if row["until"] < now]
    advice = f"\n\nto stop a job and clear its lock: cronguard unlock {held[0]['job']}"
    if overdue:
        advice += (
            f"\n{overdue[0]} is not renewed any more: the next run takes it over by itself; if you know that the job "
            f"is dead: cronguard unlock --force {overdue[0]}"
        )
    return advice


def _cells(row: dict[str, Any], now: float) -> list[str]:
    from cronguard.output import moment

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
