"""The waiting runs of a job, in order of arrival."""

from collections.abc import Collection
from typing import Any, NamedTuple

from cronguard.model.envelope import Unknown, as_moment, open_envelope, seal, unknown_fields
from cronguard.model.job import Job

MOST = 200  # runs in a list, which must fit into an entry; later runs wait without a place


class Waiter(NamedTuple):
    """A waiting run: one thread or process of one node. It increments `beat` for as long as it lives."""

    run: str
    node: str
    pid: int
    since: float
    beat: int = 0


class Waiters(NamedTuple):
    """The waiting runs, first come first. `by` and `sequence` together identify a published list forever."""

    waiting: tuple[Waiter, ...] = ()
    by: str = ""
    sequence: int = 0
    unknown: Unknown = ()

    def with_beat(self, waiter: Waiter) -> "Waiters":
        """Return the list with this run's next beat; a new run is added at the tail."""
        runs = [one.run for one in self.waiting]
        if waiter.run not in runs and len(runs) >= MOST:
            return self
        if waiter.run not in runs:
            return self._replace(waiting=(*self.waiting, waiter))
        return self._replace(
            waiting=tuple(
                one._replace(beat=one.beat + 1) if one.run == waiter.run else one for one in self.waiting
            )
        )

    def without(self, runs: Collection[str]) -> "Waiters":
        """Return the list without these runs."""
        return self._replace(waiting=tuple(one for one in self.waiting if one.run not in runs))

    def before(self, run: str) -> list[Waiter]:
        """Return the waiting runs that arrived before a run; all of them if it is not in the list."""
        found: list[Waiter] = []
        for one in self.waiting:
            if one.run == run:
                break
            found.append(one)
        return found

    def published(self, by: str) -> "Waiters":
        """Return the next version of the list, written by `by`."""
        return self._replace(by=by, sequence=self.sequence + 1)


def waiters_key(job: Job) -> str:
    """Return the key of a job's waiting runs in the store."""
    return f"waiters/{job.ns}/{job.name}"


_KNOWN = frozenset(Waiters._fields) - {"unknown"}


def encode(waiters: Waiters) -> bytes:
    """Return the list as JSON."""
    waiting = [waiter._asdict() for waiter in waiters.waiting]
    return seal(
        {"waiting": waiting, "by": waiters.by, "sequence": waiters.sequence},
        waiters.unknown,
    )


def decode(data: bytes, where: str) -> Waiters | None:
    """Decode a list; None for no data. Raises StoreRefusedError, naming `where`, for anything else."""
    return open_envelope(data, where, _checked)


def _checked(parsed: dict[str, Any]) -> Waiters:
    waiting = tuple(
        Waiter(str(one["run"]), str(one["node"]), int(one["pid"]), as_moment(one["since"]), int(one["beat"]))
        for one in parsed["waiting"]
    )
    return Waiters(waiting, str(parsed["by"]), int(parsed["sequence"]), unknown_fields(parsed, _KNOWN))
