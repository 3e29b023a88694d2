"""What a keeper is started for."""

from typing import NamedTuple

from cronguard.claim import Ask
from cronguard.statedir import StateDir


class Errand(NamedTuple):
    """Whose lease to keep, and where. `is_resumed`: an earlier keeper of this run has claimed it already."""

    ask: Ask
    url: str
    state: StateDir
    backend_timeout: float
    is_resumed: bool = False
