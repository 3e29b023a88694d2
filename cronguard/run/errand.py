"""What a keeper needs to know when it starts."""

from typing import NamedTuple

from cronguard.lease.claim import Ask
from cronguard.system.statedir import StateDir
from cronguard.turns.turn import Strategy


class Errand(NamedTuple):
    """Which lease to keep, in which store, and by which strategy.

    `is_resumed` means that an earlier keeper of this run has already claimed the lease.
    """

    ask: Ask
    url: str
    state: StateDir
    backend_timeout: float
    strategy: Strategy = Strategy()
    is_resumed: bool = False
