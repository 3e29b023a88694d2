"""The heartbeat of a simulated node, which uses cronguard's real assessment."""

from cronguard.heartbeat.assessment import Found, Look, assess
from cronguard.heartbeat.health import Counting
from cronguard.heartbeat.heartbeat import beat_of, publish, read_beats
from cronguard.heartbeat.state import HeartbeatState
from cronguard.simulation.node import Node
from cronguard.simulation.store import Connection


class Heart:
    """Sends heartbeats while its node lives. There are no probes, so other nodes see it only through the store."""

    def __init__(self, node: Node, connection: Connection, nodes: tuple[str, ...], every: float) -> None:
        self._node, self._connection, self._every = node, connection, every
        self._others = tuple(name for name in nodes if name != node.name)
        self._boot, self._memory = "", HeartbeatState()

    def beat(self) -> None:
        """Read the other nodes' entries, assess the nodes, and publish this node's entry."""
        if self._node.has("dead"):
            return
        self._node.time.spend(len(self._others))
        clock, boot = self._node.clock, self._node.boot_id
        memory = self._memory if self._boot == boot else HeartbeatState()
        is_cut = self._node.has("cut")
        seen = {} if is_cut else {row[0]: Look(*row) for row in read_beats(self._connection)}
        last = seen.pop(self._node.name, None)
        away = None if last is None else clock.wall() - last.wall
        found = Found({}, {}, None if is_cut else seen, clock.boot(), self._every, away)
        memory = assess(memory, found, Counting(), self._others)
        if not is_cut:
            beat = beat_of(memory, self._node.name, self._node.name, boot, clock, self._every)
            publish(self._connection, beat, f"{boot}:{memory.beats}")
            memory = memory._replace(beats=memory.beats + 1, beaten=clock.boot())
        self._boot, self._memory = boot, memory
