"""Preemption: whoever takes the lease first runs."""

from typing import TYPE_CHECKING

from cronguard.turns.turn import Turn

if TYPE_CHECKING:
    from cronguard.model.tick import Tick
    from cronguard.turns.known import Known


def turn(me: str, tick: "Tick", known: "Known | None") -> Turn:
    """It is everybody's turn, at once."""
    return Turn(0.0, "whoever is first")
