"""The history of a job: the runs in its record, and the ticks that had no run."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from cronguard.model.job import is_name
from cronguard.model.record import Record, decode
from cronguard.store.contract import Backend, latest

if TYPE_CHECKING:
    from cronguard.schedule.schedule import Schedule

MISSED, OVERRUN = "missed", "overrun"
_GRACE = 60.0  # seconds: cron wakes up once a minute, so the run of a tick as recent as this may still start
_MOST = 200  # ticks: as many as a wide screen shows; a year of minutes has half a million


class Run(NamedTuple):
    """One line of a history. Times are seconds since the epoch. A tick without a run has no node and no times.

    `state` is an outcome of a record (including `crashed`), `running`, `revoked`, MISSED, or OVERRUN (an earlier run
    was still going on).
    """

    job: str
    tick: float
    node: str
    state: str
    status: int | None = None
    attempt: int = 1
    started: float | None = None
    ended: float | None = None

    @property
    def seconds(self) -> float | None:
        """The duration of the run, if it has ended."""
        return None if self.started is None or self.ended is None else max(0.0, self.ended - self.started)


def recorded(backend: Backend, ns: str | None, job: str | None) -> dict[str, list[dict[str, Any]]]:
    """Return the outcomes that the backend knows of each job, or of one job, in order; a run in progress is last."""
    if job is not None:
        entries = [latest(backend, f"lease/{job}")]
    else:
        entries = list(backend.scan(f"lease/{ns}/" if ns else "lease/"))
    records = {entry.key.partition("/")[2]: entry.data for entry in entries}
    decoded = {job: decode(data, job) for job, data in sorted(records.items())}
    return {job: _outcomes(record) for job, record in decoded.items() if record}


def _outcomes(record: Record) -> list[dict[str, Any]]:
    return [*record.history, record.outcome()] if record.is_running else list(record.history)


def runs(job: str, outcomes: Iterable[dict[str, Any]]) -> list[Run]:
    """Return a job's runs in the order of their ticks; malformed outcomes are left out."""
    found = [run for outcome in outcomes if (run := _run(job, outcome))]
    return sorted(found, key=lambda run: (run.tick, run.attempt))


def _run(job: str, outcome: dict[str, Any]) -> Run | None:
    from cronguard.model.tick import Tick
    from cronguard.system.errors import UsageError

    try:
        tick = Tick.parse(outcome["tick"]).epoch
        facts = {name: outcome[name] for name in ("node", "state", "status", "attempt", "started", "ended")}
    except (UsageError, KeyError, TypeError):
        return None
    run = Run(job=job, tick=tick, **facts)
    is_ours = (
        isinstance(run.state, str)
        and run.state.isprintable()
        and isinstance(run.node, str)
        and is_name(run.node)
    )
    has_numbers = type(run.attempt) is int and all(
        _is_number(n) for n in (run.status, run.started, run.ended) if n is not None
    )
    return run if is_ours and has_numbers else None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -1e15 < value < 1e15


def with_missed(found: Sequence[Run], schedule: "Schedule", now: float) -> list[Run]:
    """Return the runs, and a line for each later tick of the schedule that had no run."""
    if not found:
        return []
    ran = {run.tick for run in found}
    missed: list[Run] = []
    at = schedule.latest(now - _GRACE)
    while at > found[0].tick and len(missed) < _MOST:
        if at not in ran:
            missed.append(Run(found[0].job, at, "", OVERRUN if is_busy(found, at) else MISSED))
        at = schedule.latest(at - 1)
    return sorted([*found, *missed], key=lambda run: (run.tick, run.attempt))


def is_busy(found: Sequence[Run], at: float) -> bool:
    """Return whether an earlier run was still going on at this tick, so that the run of this tick was skipped."""
    return any(
        run.started is not None
        and run.tick < at
        and run.started <= at + _GRACE
        and (run.ended or float("inf")) > at
        for run in found
        if run.state != "crashed"
    )


def as_row(run: Run) -> dict[str, Any]:
    """Return the run with stable keys, for programs."""
    from cronguard.model.tick import Tick

    return {**run._asdict(), "tick": Tick.of(run.tick).label, "seconds": run.seconds}
