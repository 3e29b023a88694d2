"""Heartbeats of the simulated nodes, with cronguard's real assessment and entries, on virtual time.

Every ten seconds, each node reads the other nodes' entries, requests an echo from each node, assesses them, and
publishes its own entry. A node that is cut off sees neither the store nor other nodes, and is not seen.
"""

from functools import lru_cache

from cronguard.heartbeat.assessment import Found, Look, assess, is_fit
from cronguard.heartbeat.health import Counting
from cronguard.heartbeat.heartbeat import publish
from cronguard.heartbeat.probe_handlers import Answer
from cronguard.heartbeat.state import HeartbeatState
from cronguard.model.beat import PREFIX, Beat, Opinion, decode

EVERY = 10.0
COUNTING = Counting()
DETECTED = (COUNTING.fall + 2) * EVERY  # seconds within which a dead node is known to be down


def plan(world):
    """Plan the heartbeats of every node for the whole schedule."""
    memories = {node: ("", HeartbeatState()) for node in world.nodes}
    for node in world.nodes:
        at = world.some(EVERY)
        while at < world.schedule.span + 200:
            world.timeline.at(at, _beat, world, node, memories)
            at += EVERY


def _beat(world, node, memories):
    if not node.is_up or node.is_stopped:
        return
    boot, memory = memories[node]
    if boot != node.boot_id:
        memory = HeartbeatState()
    names = tuple(other.name for other in world.nodes if other is not node)
    probes = {other.name: {"ip": _echo(node, other)} for other in world.nodes if other is not node}
    seen = _looks(world)
    last = seen.pop(node.name, None)
    away = None if last is None else node.wall() - last.wall
    looks = None if node.is_cut else seen
    memory = assess(memory, Found({}, probes, looks, node.boot(), EVERY, away), COUNTING, names)
    if not node.is_cut:
        publish(world.store.side, _published(node, memory), f"{node.boot_id}:{memory.beats}")
        memory = memory._replace(beats=memory.beats + 1, beaten=node.boot())
    memories[node] = (node.boot_id, memory)


def _echo(node, other):
    return Answer(other.is_up and not other.is_stopped and not node.is_cut and not other.is_cut)


def _looks(world):
    beats = [_decoded(entry.data) for entry in world.store.side.scan(PREFIX)]
    return {
        beat.node: Look(
            beat.node, f"{beat.boot}:{beat.beat}", beat.every, beat.is_fit, beat.machine, beat.wall
        )
        for beat in beats
    }


@lru_cache(64)
def _decoded(data):
    return decode(data, "a heartbeat")


def _published(node, memory):
    opinions = {
        name: Opinion(
            other.verdict.state, 0.0, {path: p.state for path, p in other.paths.items()}, other.verdict.back
        )
        for name, other in memory.others.items()
    }
    return Beat(
        node.name, memory.beats + 1, "m", node.boot_id, node.boot(), node.wall(), EVERY, memory.back, is_fit(memory),
        opinions=opinions,
    )  # fmt: skip
