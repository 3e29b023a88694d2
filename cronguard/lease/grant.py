"""What a run knows about its lease: it is granted, or it is lost."""

from typing import NamedTuple

from cronguard.model.record import Record


class Grant(NamedTuple):
    """The right to run until `deadline` (boot time); the command must then be stopped."""

    token: int
    attempt: int
    deadline: float


class Lost(NamedTuple):
    """The right to run is lost: a one-word reason and a detail for people."""

    reason: str
    detail: str


def lost_to(record: Record | None, run: str) -> Lost:
    """Return how `run` lost its lease, according to the latest record."""
    if record is None:
        return Lost("gone", "the lease's entry has disappeared from the store")
    if record.is_forgotten:
        return Lost("gone", "an administrator has made the store forget the job")
    if record.run == run:
        return Lost(record.state, _ended(record))
    if record.is_running:
        return Lost("taken", f"{record.node} holds the lease now (pid {record.pid}, token {record.token})")
    told = f"{record.node} has run the job since, for tick {record.tick.label}: {record.state} (token {record.token})"
    return Lost("taken", told)


def _ended(record: Record) -> str:
    """Return how the run's own record ended. Only an administrator cannot know the run's boot time."""
    if record.is_running or record.ended_boot is None:
        return "an administrator has unlocked the job"
    return f"the run has already ended: {record.state}"
