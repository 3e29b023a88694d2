"""The times that a lease was held, as a fuzz logs them, and what must hold of them."""

from itertools import pairwise
from typing import NamedTuple

from cronguard.doctor.contender import logged


class Hold(NamedTuple):
    """One time that a lease was held; `stopped` is None for a holder that was killed, `tick` is its number, if any."""

    node: str
    token: int
    started: int
    stopped: int | None
    tick: int | None = None


def read_holds(folder):
    """The times that a lease was held which the logs in a folder tell of."""
    return [
        Hold(h["node"], h["token"], h["started"], h.get("stopped"), h.get("tick"))
        for h in logged(folder, "run").values()
    ]


def hold_faults(holds):
    """Overlaps of the times that a lease was held, and tokens that do not grow in the order of the starts."""
    faults = []
    for first, second in pairwise(sorted(holds, key=lambda hold: hold.started)):
        if first.stopped is not None and second.started < first.stopped:
            faults.append(f"{second.node} started while {first.node} was running")
        if second.token <= first.token:
            faults.append(f"token {second.token} of {second.node} came after {first.token} of {first.node}")
    return faults
