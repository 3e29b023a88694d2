"""The assessment of one heartbeat: make new verdicts from the memory and the latest observations. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from cronguard.heartbeat.health import Counting, Path, judge, seen_beat
from cronguard.heartbeat.probe_handlers import Answer
from cronguard.heartbeat.state import HeartbeatState, Other
from cronguard.model.beat import DOWN

BEAT = "beat"  # the name of the path through the store, for a node's heartbeats


class Look(NamedTuple):
    """A node's heartbeat as seen in the store: its identity, the time to the next, and what the node reports of itself."""

    node: str
    identity: str
    every: float
    is_fit: bool
    machine: str
    wall: float


class Found(NamedTuple):
    """The observations of one heartbeat. `looks` is None if the store could not be reached. Seconds, boot time.

    `away` is the age of this node's last heartbeat, by wall clocks; it counts if the node remembers none.
    """

    checks: Mapping[str, Answer]
    probes: Mapping[str, Mapping[str, Answer]]
    looks: Mapping[str, Look] | None
    now: float
    every: float
    away: float | None = None


def assess(
    memory: HeartbeatState, found: Found, counting: Counting, cluster: tuple[str, ...]
) -> HeartbeatState:
    """Return what to remember after this heartbeat; `cluster` are the known nodes."""
    own = {
        name: memory.own.get(name, Path()).after(answer.is_good, counting)
        for name, answer in found.checks.items()
    }
    names = {*cluster, *found.probes, *(found.looks or {}), *(memory.others if found.looks is None else ())}
    others = {name: _other(memory.others.get(name, Other()), name, found, counting) for name in sorted(names)}
    return memory._replace(
        own=own, others=others, back=_back(memory, own, found, counting), details=_details(found)
    )


def is_fit(memory: HeartbeatState) -> bool:
    """Return whether none of this node's own checks is down."""
    return all(path.state != DOWN for path in memory.own.values())


def _other(other: Other, name: str, found: Found, counting: Counting) -> Other:
    sight, beats = other.sight, other.paths.get(BEAT, Path())
    look = found.looks.get(name) if found.looks is not None else None
    if look or (found.looks is not None and sight.identity):  # a heartbeat that has vanished counts as frozen
        identity, every = (look.identity, look.every) if look else (sight.identity, found.every)
        sight = sight.after(identity, found.now, found.every)
        beats = seen_beat(beats, other.sight, sight, every, found.every, counting)
    has_beaten = bool(sight.identity)  # a node that never did has no such path, and is judged by its others
    paths = ({BEAT: beats} if has_beaten else {}) | {
        path: other.paths.get(path, Path()).after(answer.is_good, counting)
        for path, answer in found.probes.get(name, {}).items()
    }
    says_it_is_unfit = look is not None and not look.is_fit and beats.state != DOWN
    verdict = judge(other.verdict, paths, not says_it_is_unfit, counting.quorum, found.now)
    return Other(verdict, sight, paths)


def _back(memory: HeartbeatState, own: Mapping[str, Path], found: Found, counting: Counting) -> float:
    """Return since when this node has sent heartbeats, and been fit, without a break: after a break, since now."""
    longest = (counting.fall + 1) * found.every
    away = found.away or 0.0 if memory.back is None else found.now - memory.beaten
    is_well = all(path.state != DOWN for path in own.values())
    return (memory.back or 0.0) if away <= longest and is_well else found.now


def _details(found: Found) -> dict[str, str]:
    told = {name: answer.detail for name, answer in found.checks.items()}
    for node, answers in found.probes.items():
        told |= {f"{node} {name}": answer.detail for name, answer in answers.items()}
    return {name: detail for name, detail in told.items() if detail}
