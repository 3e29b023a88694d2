"""Checks of the nodes: two machines or containers with one name, different versions of cronguard, a missing heartbeat."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from cronguard.doctor.finding import Finding, note, ok, problem, warning
from cronguard.doctor.visits import LATELY, PREFIX
from cronguard.doctor.visits import decode as decode_visits
from cronguard.model.beat import PREFIX as BEATS
from cronguard.model.beat import Beat, beat_key
from cronguard.model.beat import decode as decode_beat
from cronguard.model.duration import format_duration
from cronguard.model.record import Record
from cronguard.model.record import decode as decode_lease
from cronguard.store.contract import Backend, Entry
from cronguard.system.errors import StoreRefusedError

_SETTLING = 60.0  # seconds: `renewed` comes from another machine's clock


class Trace(NamedTuple):
    """A sign that a machine used a node's name, and with which version. `machine` is empty if it is unknown."""

    node: str
    machine: str
    version: str
    wall: float


class Me(NamedTuple):
    """This machine, and the container on it, if any: `boot` is the ID of the boot.

    `begun` is since when the machine or the container has existed, by the wall clock; infinity if unknown.
    """

    node: str
    machine: str
    version: str
    boot: str
    begun: float
    container: str = ""


def traces(backend: Backend, me: Me, wall: float) -> list[Trace]:
    """Return the traces of the last day; another check reports entries that cannot be read."""
    found: list[Trace] = []
    kinds: tuple[tuple[str, Callable[[Entry], list[Trace]]], ...] = (
        (PREFIX, _visits),
        (BEATS, _beats),
        ("lease/", lambda entry: _runs(entry, me)),
    )
    for prefix, read in kinds:
        for entry in backend.scan(prefix):
            with suppress(StoreRefusedError):
                found += read(entry)
    return [trace for trace in found if abs(wall - trace.wall) < LATELY]


def _visits(entry: Entry) -> list[Trace]:
    visits = decode_visits(entry.data, entry.key)
    node = entry.key.removeprefix(PREFIX)
    seen = visits.seen.items() if visits else ()
    return [Trace(node, machine, visit["version"], visit["wall"]) for machine, visit in seen]


def _beats(entry: Entry) -> list[Trace]:
    beat = decode_beat(entry.data, entry.key)
    if not beat or not beat.beat:
        return []
    return [Trace(entry.key.removeprefix(BEATS), beat.machine, _writer(entry.data), beat.wall)]


def _runs(entry: Entry, me: Me) -> list[Trace]:
    """Return the trace of a run, which names no machine, only a boot and a container.

    A run under our name that was renewed since our boot, but on another boot, belongs to another machine. One that was
    renewed on our boot, since our container was started, but in another container, belongs to that container.
    """
    record = decode_lease(entry.data, entry.key)
    if not record:
        return []
    machine = _elsewhere(record, me) if record.node == me.node else ""
    return [Trace(record.node, machine, _writer(entry.data), record.renewed)]


def _elsewhere(record: Record, me: Me) -> str:
    """Return what another machine or container must be called to which the run belongs; "" if it may be our own."""
    kernel, container = _kernel(record.boot), _container(record.boot)
    if kernel != _kernel(me.boot):
        return f"boot {kernel}" if record.renewed > me.begun + _SETTLING else ""
    if record.renewed <= me.begun or _is_same(container, me.container):
        return ""
    return f"container {container}" if container else "this machine, outside of containers"


def _container(boot: str) -> str:
    """Return the container that a record's boot names; "" if the run was outside of containers."""
    _, mark, rest = boot.partition("/pid:")
    return f"{mark[1:]}{rest}"


def _is_same(one: str, other: str) -> bool:
    """Return whether two containers may be the same; the name of one that hides its start ends with a random part."""
    if "?" in one or "?" in other:
        return one[: one.find("]")] == other[: other.find("]")]
    return one == other


def _kernel(boot: str) -> str:
    return boot.partition("/")[0]


def _writer(data: bytes) -> str:
    with suppress(ValueError, AttributeError):
        return str(json.loads(data).get("writer", "")).removeprefix("cronguard ")
    return ""


def judge_machines(me: Me, found: Iterable[Trace]) -> Finding:
    """Report names that more than one machine, or container of a machine, has used within a day."""
    machines: dict[str, set[str]] = {me.node: {me.machine}}
    for trace in found:
        if trace.machine:
            machines.setdefault(trace.node, set()).add(trace.machine)
    for node, named in sorted(machines.items()):
        if len(named) > 1:
            told = f"{len(named)} machines or containers use the node name {node}: {', '.join(sorted(named))}"
            hint = 'set node = "NAME" in the configuration of one; if one no longer exists, wait a day'
            return problem("same-name", told, hint)
    return ok("same-name", f"no other machine or container uses the name {me.node}")


def judge_versions(me: Me, found: Iterable[Trace]) -> Finding:
    """Report nodes whose newest trace shows another version."""
    newest: dict[str, Trace] = {}
    for trace in sorted(found, key=lambda trace: trace.wall):
        if trace.version and trace.node != me.node:
            newest[trace.node] = trace
    others = {node: trace.version for node, trace in newest.items() if trace.version != me.version}
    if others:
        told = ", ".join(f"{node} has {version}" for node, version in sorted(others.items()))
        return warning(
            "versions", f"this is cronguard {me.version}, {told}", "install the same version on all nodes"
        )
    seen = f", as on {', '.join(sorted(newest))}" if newest else "; no other node was seen within a day"
    return ok("versions", f"cronguard {me.version}{seen}")


def own_beat(backend: Backend, node: str) -> Beat | None:
    """Return this node's last heartbeat."""
    return decode_beat(backend.read(beat_key(node)).data, node)


def judge_heartbeat(beat: Beat | None, is_needed: bool, boot: str, now: float, wall: float) -> Finding:
    """Report a heartbeat that is missing or old though it is needed, or not fit; `now` is on the boot clock."""
    hint = "add to the crontab: * * * * * cronguard heartbeat; or: systemctl enable --now cronguard-heartbeat"
    if beat is None or not beat.beat:
        if is_needed:
            told = "this node has never sent a heartbeat: other nodes cannot tell whether it is up"
            return problem("heartbeat", told, hint)
        return ok("heartbeat", "this node sends no heartbeat, and needs none")
    if not beat.is_fresh(boot, now):
        told = f"this node's last heartbeat was {format_duration(max(0.0, wall - beat.wall))} ago"
        return problem("heartbeat", told, hint) if is_needed else note("heartbeat", told, hint)
    if not beat.is_fit:
        bad = ", ".join(name for name, state in beat.checks.items() if state != "up")
        return warning("heartbeat", f"this node is not fit: {bad}", "see cronguard nodes")
    return ok("heartbeat", f"this node sends a heartbeat every {format_duration(beat.every)}")


def needs_heartbeat(strategy: str, tables: Iterable[dict[str, Any]]) -> bool:
    """Return whether the configuration needs a heartbeat."""
    return strategy == "standby" or any({"heartbeat", "probes"} & table.keys() for table in tables)
