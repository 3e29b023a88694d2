"""`cronguard nodes`: show the nodes and their states."""

from typing import Any

import click

from cronguard.cli.common import load_settings, storage_of, storage_options
from cronguard.cli.watch import show, watch_options

_HEADERS = ("NODE", "STATE", "SINCE", "LAST HEARTBEAT", "CHECKS", "SEEN BY", "JOBS")


@click.command(
    "nodes",
    short_help="Show which nodes are up, and according to whom",
    epilog="""\b
Examples:
  cronguard nodes
  cronguard nodes --watch
  cronguard nodes --json""",
)
@watch_options
@storage_options
def command(as_json: bool, watch: bool, **where: str | None) -> None:
    """Show each node: its last heartbeat, each path to it, its state and since when, and the jobs it runs."""
    from cronguard.report.cluster import nodes

    settings = load_settings(**where)
    storage = storage_of(settings)
    known = tuple(name for name in settings.nodes if not name.isdecimal())

    def rows() -> Any:
        return storage.ask(lambda backend: nodes(backend, known, storage.clock.wall()))

    def text(found: list[dict[str, Any]]) -> str:
        return _as_text(found, storage.clock.wall())

    show(rows, text, as_json=as_json, watch=watch)


def _as_text(rows: list[dict[str, Any]], now: float) -> str:
    from cronguard.report.output import table

    if not rows:
        return "no nodes: none has sent a heartbeat here yet, and none is configured; see cronguard heartbeat"
    problems = [f"\n{row['problem']}" for row in rows if "problem" in row]
    details = [
        f"\n{row['node']}: {name}: {detail}"
        for row in rows
        for name, detail in row.get("details", {}).items()
    ]
    return table(_HEADERS, [_cells(row, now) for row in rows]) + "".join(problems + details)


def _cells(row: dict[str, Any], now: float) -> list[str]:
    from cronguard.model.duration import format_duration
    from cronguard.report.output import moment

    if "problem" in row:
        return [row["node"], row["state"]]
    seen = [
        f"{node}: {opinion['state']} ({_states(opinion['paths'])})"
        for node, opinion in row["seen_by"].items()
    ]
    return [
        row["node"],
        _state(row, now),
        moment(row["since"], now) if row["since"] else "",
        "never" if row["age"] is None else f"{format_duration(row['age'])} ago",
        _states(row["checks"]),
        "; ".join(seen),
        " ".join(row["jobs"]),
    ]


def _state(row: dict[str, Any], now: float) -> str:
    from cronguard.model.duration import format_duration

    pause = row["paused"]
    if not pause:
        return str(row["state"])
    until = "" if pause["until"] is None else f" for {format_duration(pause['until'] - now)}"
    return f"paused{until}{': ' if pause['reason'] else ''}{pause['reason']}"


def _states(paths: dict[str, str]) -> str:
    return ", ".join(f"{name} {state}" for name, state in paths.items())
