"""The metrics for alerts: those of each job from its record, those of this node from its counters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cronguard import __version__
from cronguard.model.record import Record, decode, is_job
from cronguard.report.counters import Event
from cronguard.report.exposition import Family, Labels
from cronguard.report.history import Run, runs
from cronguard.store.contract import Backend
from cronguard.system.errors import StoreRefusedError

_OF_JOBS = (
    ("last_start_timestamp_seconds", "When the last run of the job started."),
    ("last_success_timestamp_seconds", "When a run of the job last ended with status 0; 0 if never."),
    ("last_end_timestamp_seconds", "When the last finished run of the job ended."),
    ("last_duration_seconds", "How long the last finished run of the job took."),
    ("last_exit_status", "The exit status of the last finished run of the job."),
)


def facts(backend: Backend) -> list[dict[str, Any]]:
    """Return the facts in the records, a row for each job; the row of an unreadable record has only its names."""
    rows = ((entry.key.split("/", 2)[1:], entry) for entry in backend.scan("lease/"))
    return [{"labels": labels} | _told(entry.data, entry.key) for labels, entry in rows if is_job(entry.data)]


def families(rows: Sequence[Mapping[str, Any]] | None, counts: Mapping[Event, int]) -> Iterable[Family]:
    """Return all metrics; `rows` is None if the backend could not be reached."""
    yield _gauge("build_info", "The version of cronguard that wrote this.", {(("version", __version__),): 1})
    yield _gauge("backend_up", "Whether the backend answered.", {(): int(rows is not None)})
    if rows is not None:
        yield from _of_jobs(rows)
    yield from _of_node(counts)


def _told(data: bytes, key: str) -> dict[str, Any]:
    try:
        record = decode(data, key)
    except StoreRefusedError:
        record = None
    if record is None:
        return {"is_readable": False}
    told: dict[str, Any] = {"is_readable": True, "node": record.node, "running": record.is_running}
    told |= {
        "last_start_timestamp_seconds": record.started,
        "last_success_timestamp_seconds": _success(record),
    }
    if last := _last(record):
        told |= {"last_end_timestamp_seconds": last.ended, "last_duration_seconds": last.seconds}
        told |= {"last_exit_status": last.status, "outcome": [last.node, last.state]}
    return told


def _last(record: Record) -> Run | None:
    """Return the last finished run; the history is in the order of the claims."""
    return next((run for outcome in reversed(record.history) for run in runs(record.job, [outcome])), None)


def _success(record: Record) -> float:
    """Return when the job last succeeded; an older cronguard writes that only into the history."""
    told = (run.ended for run in runs(record.job, record.history) if run.state == "done")
    return max([record.succeeded or 0.0, *(at for at in told if at is not None)])


def _of_jobs(rows: Sequence[Mapping[str, Any]]) -> Iterable[Family]:
    unreadable = sum(not row["is_readable"] for row in rows)
    yield _gauge("unreadable_records", "Job records that this version cannot read.", {(): unreadable})
    known = [(_names(*row["labels"]), row) for row in rows if row["is_readable"]]
    yield _gauge(
        "running",
        "1 while a run on this node holds the lease of the job; else 0, with the last node that held it.",
        {(*job, ("node", row["node"])): int(row["running"]) for job, row in known},
    )
    yield _gauge(
        "last_outcome",
        "How and where the last finished run of the job ended.",
        {
            (*job, *zip(("node", "outcome"), row["outcome"], strict=True)): 1
            for job, row in known
            if "outcome" in row
        },
    )
    for name, meaning in _OF_JOBS:
        yield _gauge(name, meaning, {job: row[name] for job, row in known if row.get(name) is not None})


def _of_node(counts: Mapping[Event, int]) -> Iterable[Family]:
    of_runs = {event: value for event, value in counts.items() if event.kind == "run"}
    yield _counter(
        "runs_total",
        "Runs on this node by outcome; unavailable: not started, because the backend could not be reached.",
        {_counted(event, "outcome"): value for event, value in of_runs.items()},
    )
    skips = {_counted(event, "reason"): value for event, value in counts.items() if event.kind == "skip"}
    yield _counter("skips_total", "Skipped runs on this node by reason.", skips)
    # Losses start at 0: to Prometheus, a counter that first appears at 1 has not increased, and a loss would be missed.
    losses = dict.fromkeys((_counted(event) for event in counts), 0)
    losses |= {_counted(event): value for event, value in of_runs.items() if event.word == "lost"}
    yield _counter(
        "lease_losses_total", "Runs on this node that were stopped because their lease was lost.", losses
    )


def _names(ns: str, job: str) -> Labels:
    """Return the labels of a job. A label `job` would be renamed: Prometheus uses that name for what it scrapes."""
    return ("namespace", ns), ("name", job)


def _counted(event: Event, word: str | None = None) -> Labels:
    return (*_names(event.ns, event.job), ("user", event.user), *([(word, event.word)] if word else []))


def _gauge(name: str, meaning: str, samples: Mapping[Labels, float]) -> Family:
    return Family(f"cronguard_{name}", "gauge", meaning, samples)


def _counter(name: str, meaning: str, samples: Mapping[Labels, float]) -> Family:
    return Family(f"cronguard_{name}", "counter", meaning, samples)
