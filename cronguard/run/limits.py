"""The limits of a command."""

from typing import NamedTuple

TIMED_OUT = 124  # the exit status that timeout(1) uses


class Limits(NamedTuple):
    """How long a command may run, how long it may take to stop, and what happens to its daemons. Times are seconds."""

    kill_after: float
    timeout: float | None = None
    daemons: str = "release"
