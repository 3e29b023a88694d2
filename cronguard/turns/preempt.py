"""Preemption: the first node to claim the lease runs."""

from typing import TYPE_CHECKING

from cronguard.turns.turn import Turn

if TYPE_CHECKING:
    from cronguard.model.tick import Tick
    from cronguard.turns.known import Known


def turn(me: str, tick: "Tick", known: "Known | None") -> Turn:
    """Return the same turn for every node: now."""
    return Turn(0.0, "the first node to claim runs")
