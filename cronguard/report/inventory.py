"""The leases and pauses in a backend, as rows for people and programs."""

from typing import Any

from cronguard.model import beat, pauses
from cronguard.model.job import check_name
from cronguard.model.pause import Pause
from cronguard.model.record import Record, decode
from cronguard.model.target import NAMESPACE, NODE, Target
from cronguard.store.contract import Backend, Entry
from cronguard.system.errors import StoreRefusedError

_SHOWN = ("state", "node", "pid", "user", "program", "token", "attempt", "ttl", "started", "ended", "status")


def leases(backend: Backend, ns: str | None, wall: float) -> list[dict[str, Any]]:
    """Return a row for each job, sorted by name; forgotten jobs are left out. Keys are never removed."""
    prefix = f"lease/{check_name(ns, '--ns')}/" if ns is not None else "lease/"
    rows = (_row(entry, wall) for entry in backend.scan(prefix))
    return [row for row in rows if row]


def paused(backend: Backend, ns: str | None, wall: float) -> list[dict[str, Any]]:
    """Return a row for everything that is paused now: nodes, then namespaces and jobs; with `ns`, only that namespace.

    Keys are never removed.
    """
    rows = []
    for prefix in (pauses.PREFIX,) if ns is not None else (beat.PREFIX, pauses.PREFIX):
        for entry in backend.scan(prefix):
            name = entry.key.removeprefix(prefix)
            kind = NODE if prefix == beat.PREFIX else NAMESPACE
            if ns in (None, name):
                rows += _pauses(Target(kind, name), entry, wall)
    return rows


def _pauses(target: Target, entry: Entry, wall: float) -> list[dict[str, Any]]:
    try:
        if target.kind == NODE:
            node = beat.decode(entry.data, target.name)
            pause = node.paused(wall) if node else None
            return [_pause(target, pause)] if pause else []
        known = pauses.decode(entry.data, f"the pauses of {target}") or pauses.Pauses()
    except StoreRefusedError as error:
        return [{"kind": target.kind, "name": target.name, "problem": str(error)}]
    return [_pause(one, pause) for one, pause in known.holding(target.name, wall)]


def _pause(target: Target, pause: Pause) -> dict[str, Any]:
    return {"kind": target.kind, "name": target.name, **pause._asdict()}


def _row(entry: Entry, wall: float) -> dict[str, Any] | None:
    job = entry.key.partition("/")[2]
    try:
        record = decode(entry.data, job)
    except StoreRefusedError as error:
        return {"job": job, "state": "unreadable", "version": entry.version, "problem": str(error)}
    return _facts(job, entry, record, wall) if record else None


def _facts(job: str, entry: Entry, record: Record, wall: float) -> dict[str, Any]:
    age = wall - record.renewed if entry.age is None else entry.age
    facts: dict[str, Any] = {"job": job, **{name: getattr(record, name) for name in _SHOWN}}
    facts |= {"tick": record.tick.label, "version": entry.version, "age": round(age, 1)}
    return facts | {"until": wall - age + record.ttl if record.is_running else None}
