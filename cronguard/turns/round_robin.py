"""Round robin: the nodes queue, the head runs and goes to the tail."""

from itertools import takewhile

from cronguard.model.tick import Tick
from cronguard.turns.known import Known
from cronguard.turns.turn import Turn


def turn(me: str, tick: Tick, known: Known) -> Turn:
    """Leave a head start to each node before `me` in the queue that is there; when strict, leave them the turn.

    One that knows itself to be unfit leaves one to all others.
    """
    if known.peer(me).is_up:
        before = list(takewhile(lambda node: node != me, known.nodes))
    else:
        before = [node for node in known.nodes if node != me]
    answer = known.turn_after(before)
    if known.is_strict and answer.head_start:
        return Turn(None, answer.reason)
    return answer
