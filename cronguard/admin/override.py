"""Override the holder of a lease: tell it to stop, free the lease, or forget the job."""

from cronguard.model.job import Job
from cronguard.model.record import Record, decode, encode, forgotten
from cronguard.model.timing import takeover_after
from cronguard.store.contract import Backend, Entry, latest
from cronguard.system.clock import Clock
from cronguard.system.errors import CronguardError, UsageError

_TRIES = 10  # a holder renews every few seconds; ten collisions in a row are no coincidence


class HeldError(CronguardError):
    """The lease is held or the node is alive, which rules out what was requested."""

    status = 75


def unlock(backend: Backend, job: Job, clock: Clock, *, force: bool) -> str:
    """Tell the holder to stop at its next renewal; with `force`, free the lease at once. Return what was done.

    A holder that has already been told is not told again: each new version makes the other nodes start watching anew,
    so that unlocks in quick succession would keep a dead holder's lease for ever. Raises UsageError if there is no
    such job.
    """
    for _ in range(_TRIES):
        entry, record = _read(backend, job)
        if not record.is_running:
            return f"{job} is not locked (last: {record.state} on {record.node})"
        if record.state == "revoked" and not force:
            return _revoked(job, record)
        wall = clock.wall()
        changed = (
            record.settled("cancelled", None, wall, None) if force else record.next_beat(state="revoked")
        )
        if backend.swap(entry, encode(changed)):
            return _freed(job, record) if force else _revoked(job, record)
    raise _too_busy(job)


def forget(backend: Backend, job: Job, *, force: bool) -> str:
    """Remove the job's queues and its record with the history; return what was done. A running job needs `force`.

    The token is kept: the next run must get a higher one, although the clock of its node may be behind. Raises
    UsageError if there is no such job.
    """
    for _ in range(_TRIES):
        entry, record = _read(backend, job)
        if record.is_running and not force:
            raise HeldError(
                f"{job} is running on {record.node} (pid {record.pid})",
                f"stop it first: cronguard unlock {job}; if {record.node} is dead: cronguard unlock --force {job}",
            )
        if backend.swap(entry, encode(forgotten(record))):
            _forget_queues(backend, job)
            return f"{job} is forgotten{_at_risk(record) if record.is_running else ''}"
    raise _too_busy(job)


def _forget_queues(backend: Backend, job: Job) -> None:
    """Empty the queues of its strategies. A queue that changes meanwhile is left, because it is still in use."""
    for kind in ("queue", "waiters"):
        entry = backend.read(f"{kind}/{job.ns}/{job.name}")
        if entry.data:
            backend.swap(entry, b"")


def _read(backend: Backend, job: Job) -> tuple[Entry, Record]:
    """Read the record, despite caches; but first look whether there is one, in a way that creates nothing."""
    entry = backend.read(job.key)
    if entry.version:
        entry = latest(backend, job.key)
    record = decode(entry.data, f"{job} (version {entry.version})")
    if record is None:
        raise UsageError(f"{job}: there is no such job in this backend", "see cronguard locks --all")
    return entry, record


def _revoked(job: Job, record: Record) -> str:
    return (
        f"{job}: {record.node} will stop it (pid {record.pid}) at its next renewal; if that node is dead, "
        f"others may run it after {takeover_after(record.ttl):g}s"
    )


def _freed(job: Job, record: Record) -> str:
    return f"{job} is free{_at_risk(record)}"


def _at_risk(record: Record) -> str:
    return (
        f"; if it still runs on {record.node} (pid {record.pid}), it is stopped there at its next renewal; until then "
        "two may run at once"
    )


def _too_busy(job: Job) -> CronguardError:
    return HeldError(f"{job} changes too fast to be changed from here", "try again")
