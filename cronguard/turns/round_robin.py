"""Round robin: the nodes form a queue; the head runs and goes to the tail."""

from itertools import takewhile

from cronguard.model.tick import Tick
from cronguard.turns.known import Known
from cronguard.turns.turn import Turn


def turn(me: str, tick: Tick, known: Known) -> Turn:
    """Give a head start to each available node ahead of `me` in the queue; if strict, leave the turn to them.

    A node that knows it is unfit gives a head start to every other node.
    """
    if known.peer(me).is_up:
        before = list(takewhile(lambda node: node != me, known.nodes))
    else:
        before = [node for node in known.nodes if node != me]
    answer = known.turn_after(before)
    if known.is_strict and answer.head_start:
        return Turn(None, answer.reason)
    return answer
