"""The runs in progress. Caches are bypassed, because a person is about to rely on the answer."""

from contextlib import suppress

from cronguard.model.record import Record, decode
from cronguard.model.target import JOB, NODE, Target
from cronguard.store.contract import Backend, Entry, latest
from cronguard.system.errors import StoreRefusedError


def running(backend: Backend, target: Target) -> list[str]:
    """Return the runs of the target that have not ended, each with its node and PID."""
    found = []
    for entry in _entries(backend, target):
        record = _running(entry)
        if record is None:
            record = _running(latest(backend, entry.key))
        if record and (target.kind != NODE or record.node == target.name):
            found.append(f"{record.job} on {record.node} (pid {record.pid})")
    return found


def _entries(backend: Backend, target: Target) -> list[Entry]:
    if target.kind == JOB:
        return [Entry(f"lease/{target.name}", 0, b"")]
    return list(backend.scan(f"lease/{target.ns}/" if target.ns else "lease/"))


def _running(entry: Entry) -> Record | None:
    with suppress(StoreRefusedError):
        record = decode(entry.data, entry.key)
        return record if record and record.is_running else None
    return None
