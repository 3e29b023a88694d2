"""What a keeper is started for."""

from dataclasses import dataclass

from cronguard.claim import Ask
from cronguard.statedir import StateDir


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Whose lease to keep, and where. `is_resumed`: an earlier keeper of this run has claimed it already."""

    ask: Ask
    url: str
    state: StateDir
    backend_timeout: float
    is_resumed: bool = False
