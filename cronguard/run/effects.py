"""What the decisions of a run need from outside, for type checking. The simulator has its own of each."""

import signal
from collections.abc import Callable
from typing import Any, Protocol

from cronguard.run.errand import Errand
from cronguard.system.clock import Clock
from cronguard.system.link import Link
from cronguard.system.proctree import Stat


class Kernel(Protocol):
    """The process table, and signals that reach exactly the process that is meant: `system/proctree.py`."""

    def me(self) -> Stat:
        """Return the row of this process."""
        ...

    def stat(self, pid: int) -> Stat | None:
        """Return the row of a process; None if there is none."""
        ...

    def table(self) -> dict[int, Stat]:
        """Return all rows by PID."""
        ...

    def children(self, pid: int) -> list[int]:
        """Return the PIDs of a process's children."""
        ...

    def child(self, pid: int) -> Stat | None:
        """Return the row of a child of this process, even if it is invisible in /proc."""
        ...

    def reap(self, pid: int) -> None:
        """Reap a child, if it has ended."""
        ...

    def send(self, row: Stat, signum: int) -> None:
        """Signal exactly this process."""
        ...

    def send_group(self, group: int, signum: int) -> None:
        """Signal a process group."""
        ...

    def marked(self, variable: str, value: str) -> tuple[list[Stat], bool]:
        """Return them, and whether all processes were looked at."""
        ...

    def carriers(self, variable: str, value: str) -> list[Stat]:
        """Return the processes with this variable in their environment: best effort."""
        ...


class Leader(Protocol):
    """What the supervisor needs of the command's own process: `run/process.py`."""

    pid: int
    status: int | None
    is_stopped: bool
    has_terminal: bool

    def look(self) -> None:
        """Note whether the leader was stopped, continued, or has ended."""
        ...

    def take_terminal(self) -> None:
        """Take the terminal back from the command."""
        ...

    def give_terminal(self) -> bool:
        """Give the terminal to the command, if it is ours."""
        ...


class Signalled(Protocol):
    """Where signals come from: `system/signals.py`."""

    def receive(self) -> list[signal.Signals]:
        """Return the signals that have arrived."""
        ...

    def fileno(self) -> int:
        """Return the file descriptor to poll."""
        ...


class Attended(Protocol):
    """What the supervisor needs from the side of the lease, if the command has a lease: `run/keeping.py`.

    `has_stopped_job` is True if the keeper has stopped the job because the guard did not answer.
    """

    deadline: float
    has_stopped_job: bool

    def attend(self) -> tuple[str, str] | None:
        """Show the keeper that the guard is alive, hear it, restart it; return cause and detail of a lost lease."""
        ...

    def fileno(self) -> int:
        """Return the file descriptor to poll."""
        ...

    def next_moment(self) -> float:
        """Return when time alone gives it, or the supervisor, something to do about the lease."""
        ...


class Hired(Protocol):
    """What the guard needs of a keeper: `run/keeper_process.py`."""

    pid: int
    link: Link

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that have arrived."""
        ...

    def is_alive(self) -> bool:
        """Return whether it is still running."""
        ...

    def kill(self) -> None:
        """Send SIGKILL, if it is still running."""
        ...

    def end(self) -> bool:
        """Kill it; False if it is stuck in the kernel."""
        ...


Employ = Callable[[Errand, Clock], Hired]
