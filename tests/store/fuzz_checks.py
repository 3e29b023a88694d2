"""The periods for which a lease was held, as the fuzz logs them, and the checks on them."""

from itertools import pairwise
from typing import NamedTuple

from cronguard.doctor.contender import logged


class Hold(NamedTuple):
    """One period for which a lease was held.

    `stopped` is None if the holder was killed; `tick` is its number, if any.
    """

    node: str
    token: int
    started: int
    stopped: int | None
    tick: int | None = None


def read_holds(folder):
    """Return the periods for which a lease was held, from the logs in a folder."""
    return [
        Hold(h["node"], h["token"], h["started"], h.get("stopped"), h.get("tick"))
        for h in logged(folder, "run").values()
    ]


def hold_faults(holds):
    """Return periods that overlap, and tokens that do not grow in the order of the starts."""
    faults = []
    for first, second in pairwise(sorted(holds, key=lambda hold: hold.started)):
        if first.stopped is not None and second.started < first.stopped:
            faults.append(f"{second.node} started while {first.node} was running")
        if second.token <= first.token:
            faults.append(f"token {second.token} of {second.node} came after {first.token} of {first.node}")
    return faults
