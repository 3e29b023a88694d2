"""Primary and standby: the first node in order of precedence runs; the next one runs when those before it are down."""

from itertools import takewhile

from cronguard.model.tick import Tick
from cronguard.turns.known import Known
from cronguard.turns.turn import Turn


def turn(me: str, tick: Tick, known: Known) -> Turn:
    """Give a head start to each available node before `me`.

    A node that came back less than `failback_after` ago goes behind those that stayed up. A node that knows it is
    unfit goes last: it still runs when no other node does.
    """

    def rank(node: str) -> int:
        peer = known.peer(node)
        if node == me and not peer.is_up:
            return 2
        return int(peer.back_for < known.failback_after)

    order = sorted(known.nodes, key=rank)
    return known.turn_after(takewhile(lambda node: node != me, order))
