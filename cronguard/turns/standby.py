"""Primary and standby: the first node in order of precedence runs, the next when those before it are down."""

from itertools import takewhile

from cronguard.model.tick import Tick
from cronguard.turns.known import Known
from cronguard.turns.turn import Turn


def turn(me: str, tick: Tick, known: Known) -> Turn:
    """Leave a head start to each node before `me` that is there.

    One that came back less than `failback_after` ago goes behind those that were there all the time, and one that
    knows itself to be unfit goes last: it still runs when nobody else does.
    """

    def rank(node: str) -> int:
        peer = known.peer(node)
        if node == me and not peer.is_up:
            return 2
        return int(peer.back_for < known.failback_after)

    order = sorted(known.nodes, key=rank)
    return known.turn_after(takewhile(lambda node: node != me, order))
