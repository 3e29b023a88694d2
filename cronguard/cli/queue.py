"""`cronguard queue`: show whose turn is next, and which runs wait."""

from typing import Any

import click

from cronguard.cli import completing
from cronguard.cli.common import load_settings, storage_of, storage_options
from cronguard.cli.watch import show, watch_options

_HEADERS = ("JOB", "PLACE", "NODE", "MISSED", "")


@click.command(
    "queue",
    short_help="Show whose turn is next, and which runs wait",
    epilog="""\b
Examples:
  cronguard queue
  cronguard queue --ns billing --watch""",
)
@click.option("--ns", metavar="NS", shell_complete=completing.namespaces, help="Show only this namespace.")
@watch_options
@storage_options
def command(ns: str | None, as_json: bool, watch: bool, **where: str | None) -> None:
    """Show the queue of nodes of each round robin, head first, and the runs that wait with --fair."""
    from cronguard.model.job import check_name
    from cronguard.report.cluster import queues

    storage = storage_of(load_settings(**where))
    wanted = check_name(ns, "--ns") if ns is not None else None

    def rows() -> Any:
        return storage.ask(lambda backend: queues(backend, wanted))

    show(rows, _as_text, as_json=as_json, watch=watch)


def _as_text(rows: list[dict[str, Any]]) -> str:
    from cronguard.report.output import table

    if not rows:
        return "no queues"
    problems = [f"\n{row['problem']}" for row in rows if "problem" in row]
    return table(_HEADERS, [cells for row in rows for cells in _lines(row)]) + "".join(problems)


def _lines(row: dict[str, Any]) -> list[list[str]]:
    turns = [
        [
            row["job"],
            str(number),
            place["node"],
            str(place["missed"]),
            "has the next turn" if number == 1 else "",
        ]
        for number, place in enumerate(row["queue"], 1)
    ]
    waits = [
        [row["job"], str(number), one["node"], "", f"waits (pid {one['pid']})"]
        for number, one in enumerate(row["waiting"], 1)
    ]
    return turns + waits
