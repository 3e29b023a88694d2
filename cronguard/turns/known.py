"""What a run knows of the cluster when it asks whose turn it is."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import NamedTuple

from cronguard.turns.turn import Turn


class Peer(NamedTuple):
    """A node as this one knows it. What is not known is taken for the best: that costs a head start, never a run.

    `back_for` is for how many seconds it has been there again since it was last away.
    """

    is_up: bool = True
    is_paused: bool = False
    back_for: float = inf


class Known(NamedTuple):
    """`nodes` in the order in which their turns come, and what is known of them. Durations are seconds."""

    nodes: tuple[str, ...] = ()
    peers: Mapping[str, Peer] = {}
    head_start: float = 15.0
    failback_after: float = 0.0
    is_strict: bool = False
    is_covered: bool = False
    number: int = 0

    def peer(self, node: str) -> Peer:
        """Return what is known of a node."""
        return self.peers.get(node, Peer())

    def is_there(self, node: str) -> bool:
        """Return whether it can be expected to take its turn."""
        peer = self.peer(node)
        return peer.is_up and not peer.is_paused

    def turn_after(self, before: Iterable[str]) -> Turn:
        """Return the turn of one who leaves a head start to each of these that is there."""
        names = list(before)
        there = [node for node in names if self.is_there(node)]
        if there:
            return Turn(len(there) * self.head_start, f"{_listed(there)} before me and up")
        return Turn(0.0, f"{_listed(names)} before me, but away" if names else "I am the first")


def _listed(names: list[str]) -> str:
    return f"{', '.join(names)} {'are' if len(names) > 1 else 'is'}"
