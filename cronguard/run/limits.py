"""How long a command may run."""

from typing import NamedTuple

TIMED_OUT = 124  # the exit status, as timeout(1) has it


class Limits(NamedTuple):
    """How long a command may run, how long it has to stop, and what becomes of daemons it leaves. Seconds."""

    kill_after: float
    timeout: float | None = None
    daemons: str = "release"
