"""What a run knows about the cluster when it asks whose turn it is."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple

from cronguard.turns.turn import Turn


class Peer(NamedTuple):
    """A node as this one knows it. Unknown facts default to the best case: that may cost a head start, never a run.

    `back_for` is how many seconds ago the node came back after it was last down.
    """

    is_up: bool = True
    is_paused: bool = False
    back_for: float = inf


class Known(NamedTuple):
    """The nodes in the order in which their turns come, and what is known about them. Durations are seconds."""

    nodes: tuple[str, ...] = ()
    peers: Mapping[str, Peer] = {}
    head_start: float = 15.0
    failback_after: float = 0.0
    is_strict: bool = False
    is_covered: bool = False
    number: int = 0

    def peer(self, node: str) -> Peer:
        """Return what is known about a node."""
        return self.peers.get(node, Peer())

    def is_there(self, node: str) -> bool:
        """Return whether the node is available: up and not paused."""
        peer = self.peer(node)
        return peer.is_up and not peer.is_paused

    def turn_after(self, before: Iterable[str]) -> Turn:
        """Return the turn of a node that gives a head start to each available node in `before`."""
        names = list(before)
        there = [node for node in names if self.is_there(node)]
        if there:
            return Turn(len(there) * self.head_start, f"{_listed(there)} ahead of this node and up")
        if names:
            return Turn(0.0, f"{_listed(names)} ahead of this node, but down or paused")
        return Turn(0.0, "this node goes first")


def _listed(names: list[str]) -> str:
    return f"{', '.join(names)} {'are' if len(names) > 1 else 'is'}"
