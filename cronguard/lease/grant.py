"""What a run has of a lease: the right to run, or the news that it is over."""

from typing import NamedTuple

from cronguard.model.record import Record


class Grant(NamedTuple):
    """The right to run until `deadline` (boot time), when the command must be told to stop."""

    token: int
    attempt: int
    deadline: float


class Lost(NamedTuple):
    """The right to run is over: the reason word and what a person should know."""

    reason: str
    detail: str


def lost_to(record: Record | None, run: str) -> Lost:
    """Return how `run` lost its lease, by the latest record of it."""
    if record is None:
        return Lost("gone", "the lease's entry has vanished from the store")
    if record.run == run:
        return Lost(record.state, "an administrator has unlocked the job")
    return Lost("taken", f"{record.node} has the lease now (pid {record.pid}, token {record.token})")
