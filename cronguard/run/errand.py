"""What a keeper is started for."""

from typing import NamedTuple

from cronguard.lease.claim import Ask
from cronguard.system.statedir import StateDir
from cronguard.turns.turn import Strategy


class Errand(NamedTuple):
    """Whose lease to keep, where, and by which strategy. `is_resumed`: an earlier keeper of this run has claimed it already."""

    ask: Ask
    url: str
    state: StateDir
    backend_timeout: float
    strategy: Strategy = Strategy()
    is_resumed: bool = False
