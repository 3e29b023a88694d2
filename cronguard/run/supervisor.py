"""The loop that watches a running command: its end, its deadline, its signals, its keeper."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Protocol

from cronguard.run.limits import Limits
from cronguard.run.process import Process
from cronguard.system import proctree
from cronguard.system.clock import Clock
from cronguard.system.link import wait_for_any
from cronguard.system.signals import ENDING, Signals

LONGEST_SLEEP = 0.5  # timers stop while the machine is suspended: the loop must wake and look at the clock
_SHORTEST_SLEEP = 0.02  # reading /proc costs a millisecond, and nobody notices that a run took 20 ms longer
_UNKILLABLE = 10.0  # seconds: a process that survives SIGKILL for this long is stuck in the kernel
_DAEMON_NOTICE = 60.0  # seconds: by then the next run may have been skipped, and somebody may wonder why


class Ending(NamedTuple):
    """How a command ended.

    `cause` is "" if it ended by itself, else why it was stopped: lost, revoked or timed-out. `detail` is for people.
    `was_told` is True if the guard received a signal to end the run. `left` are the processes that could not be killed.
    """

    cause: str
    detail: str
    status: int
    was_told: bool
    left: tuple[int, ...]


class Attended(Protocol):
    """What the supervisor needs to know about the lease, if the command has one.

    `has_stopped_job` is True if the keeper has stopped the job because the guard did not answer.
    """

    deadline: float
    has_stopped_job: bool

    def numbers(self) -> frozenset[int]:
        """Return the PIDs that do not belong to the job."""
        ...

    def attend(self) -> tuple[str, str] | None:
        """Show the keeper that the guard is alive, read its messages, restart it if it died.

        Return the cause and detail of a lost lease, else None.
        """
        ...

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        ...


class Supervisor:
    """Watches one command until it is gone, together with every process that it must not leave behind."""

    def __init__(
        self,
        process: Process,
        signals: Signals,
        limits: Limits,
        clock: Clock,
        run: str,
        keeping: Attended | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self._process, self._signals, self._limits, self._clock = process, signals, limits, clock
        self._run, self._keeping, self._notice = run, keeping, notice
        self._began = clock.boot()
        self._ended: float | None = None
        self._cause = self._detail = ""
        self._kill_at: float | None = None
        self._was_told = self._has_noticed = False
        self._pause = _SHORTEST_SLEEP

    def watch(self) -> Ending:
        """Return when the command's processes are gone, or when SIGKILL does not kill them."""
        while True:
            for signum in self._signals.receive():
                self._on_signal(signum)
            self._process.look()
            lost = self._keeping.attend() if self._keeping else None
            if self._has_come_to_its_end():
                return self._ending([])
            self._attend(lost)
            self._check_times()
            left = self._left()
            if not left or self._is_hopeless():
                return self._ending(left)
            self._sleep()

    def _has_come_to_its_end(self) -> bool:
        """Return whether everything ended by itself.

        The time does not matter: a guard that was frozen may notice the end only after a deadline has passed.
        """
        if self._process.status is None or self._kill_at is not None:
            return False
        return not (self._keeping and self._keeping.has_stopped_job) and not self._left()

    def _on_signal(self, signum: signal.Signals) -> None:
        if signum == signal.SIGCHLD:
            self._process.reap_orphans(self._others())
        elif signum == signal.SIGTSTP:
            self._process.signal_group(signum)
            self._stop_oneself()
        else:
            if signum == signal.SIGCONT:
                self._process.give_terminal()  # a shell's `fg` sends it
            self._was_told |= signum in ENDING
            self._process.signal_group(signum)

    def _attend(self, lost: tuple[str, str] | None) -> None:
        if self._process.is_stopped and self._process.has_terminal:
            self._on_stop()
        if lost:
            self._stop(*lost, self._clock.boot() + self._limits.kill_after)

    def _on_stop(self) -> None:
        self._process.is_stopped = False
        if self._process.give_terminal():  # the shell has since given us the terminal that the command wanted
            self._process.signal_group(signal.SIGCONT)
        else:
            self._stop_oneself()

    def _stop_oneself(self) -> None:
        """Stop together with the command, so that the shell that started us gets the terminal; then continue both."""
        self._process.take_terminal()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._process.give_terminal()
        self._process.signal_group(signal.SIGCONT)

    def _check_times(self) -> None:
        now = self._clock.boot()
        if self._process.status is not None and self._ended is None:
            self._ended = now
        if self._keeping and now >= self._keeping.deadline:
            late = "the lease could not be renewed in time"
            self._stop("lost", late, self._keeping.deadline + self._limits.kill_after)
        if self._limits.timeout is not None and now >= self._began + self._limits.timeout:
            self._stop("timed-out", f"it ran for {self._limits.timeout:g}s", now + self._limits.kill_after)
        if self._kill_at is not None and now >= self._kill_at:
            self._process.signal_tree(signal.SIGKILL, self._others())

    def _stop(self, cause: str, detail: str, kill_at: float) -> None:
        """Ask the command to stop, once. A lost lease overrides a timeout, and may leave less time."""
        if self._kill_at is None:
            self._process.signal_tree(signal.SIGTERM, self._others())
        if self._kill_at is None or (self._cause == "timed-out" and cause != "timed-out"):
            self._cause, self._detail = cause, detail
            self._kill_at = min(kill_at, self._kill_at or kill_at)

    def _left(self) -> list[int]:
        """Return the PIDs of the processes that must still end."""
        if self._process.status is None:
            return [self._process.pid]
        return [row.pid for row in self._left_behind()]

    def _left_behind(self) -> list[proctree.Stat]:
        ours, daemons = self._process.remaining(self._others())
        if self._kill_at is not None:
            return ours + daemons or self._carriers()
        if self._limits.daemons == "kill" and daemons and not ours:
            self._process.signal_tree(signal.SIGTERM, self._others())
            self._kill_at = self._clock.boot() + self._limits.kill_after
        left = ours + daemons if self._limits.daemons != "release" else ours
        self._notice_left(left)
        return left

    def _carriers(self) -> list[proctree.Stat]:
        found = proctree.carriers("CRONGUARD_RUN", self._run) if self._cause else []
        rows = [row for row in found if not row.is_zombie and row.pid not in self._others()]
        for row in rows:
            proctree.send(row, signal.SIGKILL)
        return rows

    def _notice_left(self, left: list[proctree.Stat]) -> None:
        waited = self._clock.boot() - (self._ended or self._clock.boot())
        if self._notice and left and waited > _DAEMON_NOTICE and not self._has_noticed:
            self._has_noticed = True
            self._notice(" ".join(str(row.pid) for row in left))

    def _is_hopeless(self) -> bool:
        return self._kill_at is not None and self._clock.boot() > self._kill_at + _UNKILLABLE

    def _ending(self, left: list[int]) -> Ending:
        status = 128 + signal.SIGKILL if self._process.status is None else self._process.status
        return Ending(self._cause, self._detail, status, self._was_told, tuple(left))

    def _others(self) -> frozenset[int]:
        return self._keeping.numbers() if self._keeping else frozenset()

    def _sleep(self) -> None:
        """Sleep until something happens; only briefly where we must poll (no signal reports a group's last member)."""
        is_ending = self._ended is not None or self._kill_at is not None
        self._pause = min(2 * self._pause, LONGEST_SLEEP) if is_ending else _SHORTEST_SLEEP
        until = [self._clock.boot() + (self._pause if is_ending else LONGEST_SLEEP)]
        if self._keeping:
            until.append(self._keeping.deadline)
        if self._limits.timeout is not None:
            until.append(self._began + self._limits.timeout)
        if self._kill_at is not None:
            until.append(self._kill_at)
        fds = [self._signals.fileno()] + ([self._keeping.fileno()] if self._keeping else [])
        now = self._clock.boot()
        ahead = [moment - now for moment in until if moment > now]
        with suppress(OSError):
            wait_for_any(fds, min(ahead, default=_SHORTEST_SLEEP))
