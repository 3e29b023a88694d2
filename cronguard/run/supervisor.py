"""The one loop in which a running command is watched: its end, its deadline, its signals, its keeper."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from cronguard.run.endgame import Endgame
from cronguard.run.limits import Limits
from cronguard.run.offspring import Offspring
from cronguard.system.clock import Clock
from cronguard.system.proctree import Stat
from cronguard.system.signals import ENDING

LONGEST_SLEEP = (
    0.5  # seconds: timers stop while the machine is suspended, so the loop must wake and read the clock
)
_SHORTEST_SLEEP = 0.02  # seconds: a look at /proc costs a millisecond, and nobody notices a run 20 ms longer
_UNKILLABLE = 10.0  # seconds of SIGKILL after which the processes that are left must be stuck in the kernel
_DAEMON_NOTICE = (
    60.0  # seconds: by then the line's next minute has come, and somebody may ask why it was skipped
)


if TYPE_CHECKING:
    from cronguard.run.effects import Attended, Leader, Signalled


class Ending(NamedTuple):
    """How a command ended.

    `cause` is "" if it ended by itself; otherwise it says why it was stopped: lost, revoked or timed-out. `detail` is
    for people. `was_told` is True if the guard received a signal to end it. `left` are the processes that cannot be
    killed.
    """

    cause: str
    detail: str
    status: int
    was_told: bool
    left: tuple[int, ...]


class Supervisor:
    """Watches one command until it is gone, together with every process that it must not leave behind."""

    def __init__(
        self,
        leader: "Leader",
        offspring: Offspring,
        signals: "Signalled",
        limits: Limits,
        clock: Clock,
        run: str,
        keeping: "Attended | None" = None,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self._leader, self._offspring, self._signals = leader, offspring, signals
        self._limits, self._clock, self._run = limits, clock, run
        self._keeping, self._notice = keeping, notice
        self._began = clock.boot()
        self._ended: float | None = None
        self._cause = self._detail = ""
        self._endgame = Endgame(_UNKILLABLE)
        self._was_told = self._has_noticed = False
        self._pause = _SHORTEST_SLEEP

    def watch(self) -> Ending:
        """Return when the command's processes are gone, or when SIGKILL does not kill them."""
        while True:
            for signum in self._signals.receive():
                self._on_signal(signum)
            self._leader.look()
            self._note_end()
            lost = self._keeping.attend() if self._keeping else None
            if self._has_come_to_its_end():
                return self._ending([])
            self._attend(lost)
            self._check_deadline()
            self._check_timeout()
            self._signal_tree()
            left = self._left()
            if not left or self._endgame.is_hopeless:
                return self._ending(left)
            self._sleep()

    def _note_end(self) -> None:
        if self._leader.status is not None and self._ended is None:
            self._ended = self._clock.boot()

    def _has_come_to_its_end(self) -> bool:
        """Return whether everything ended by itself.

        The time does not matter: a guard that was frozen may notice the end only after a deadline has passed.
        """
        if self._leader.status is None or self._endgame.has_begun:
            return False
        return not (self._keeping and self._keeping.has_stopped_job) and not self._left()

    def _on_signal(self, signum: signal.Signals) -> None:
        if signum == signal.SIGCHLD:
            with suppress(OSError):  # no descriptors are left: the end of the next child comes to the same
                self._offspring.reap()
        elif signum == signal.SIGTSTP:
            self._offspring.signal_group(signum)
            self._stop_oneself()
        else:
            if signum == signal.SIGCONT:
                self._leader.give_terminal()  # a shell's `fg` sends it
            self._was_told |= signum in ENDING
            self._offspring.signal_group(signum)

    def _attend(self, lost: tuple[str, str] | None) -> None:
        if self._leader.is_stopped and self._leader.has_terminal:
            self._on_stop()
        if lost:
            self._stop(*lost, self._clock.boot() + self._limits.kill_after)

    def _on_stop(self) -> None:
        self._leader.is_stopped = False
        if self._leader.give_terminal():  # the shell has since given us the terminal that the command wanted
            self._offspring.signal_group(signal.SIGCONT)
        else:
            self._stop_oneself()

    def _stop_oneself(self) -> None:
        """Stop together with the command, so that the shell that started us gets the terminal; continue it later."""
        self._leader.take_terminal()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._leader.give_terminal()
        self._offspring.signal_group(signal.SIGCONT)

    def _check_deadline(self) -> None:
        if self._keeping and self._clock.boot() >= self._keeping.deadline:
            late = "the lease could not be renewed in time"
            self._stop("lost", late, self._keeping.deadline + self._limits.kill_after)

    def _check_timeout(self) -> None:
        now = self._clock.boot()
        if self._limits.timeout is not None and now >= self._began + self._limits.timeout:
            self._stop("timed-out", f"it ran for {self._limits.timeout:g}s", now + self._limits.kill_after)

    def _signal_tree(self) -> None:
        if signum := self._endgame.order(self._clock.boot()):
            with suppress(OSError):  # the group has been signalled; the others will be, in the next round
                self._offspring.signal_tree(signum)

    def _stop(self, cause: str, detail: str, kill_at: float) -> None:
        """Stop the command, once. A lost lease takes priority over a timeout, and may leave less time."""
        if not self._endgame.has_begun or (self._cause == "timed-out" and cause != "timed-out"):
            self._cause, self._detail = cause, detail
            self._endgame.stop(kill_at)

    def _left(self) -> list[int]:
        """Return the PIDs of the processes that still have to end.

        Without a descriptor to look with, something may be left: the leader stands for it until the next look.
        """
        if self._leader.status is None:
            return [self._leader.pid]
        try:
            return [row.pid for row in self._left_behind()]
        except OSError:
            return [self._leader.pid]

    def _left_behind(self) -> list[Stat]:
        ours, daemons = self._offspring.remaining()
        if self._endgame.has_begun:
            return ours + daemons or (self._offspring.kill_carriers(self._run) if self._cause else [])
        if self._limits.daemons == "kill" and daemons and not ours:
            self._endgame.stop(self._clock.boot() + self._limits.kill_after)
        left = ours + daemons if self._limits.daemons != "release" else ours
        self._notice_left(left)
        return left

    def _notice_left(self, left: list[Stat]) -> None:
        waited = self._clock.boot() - (self._ended or self._clock.boot())
        if self._notice and left and waited > _DAEMON_NOTICE and not self._has_noticed:
            self._has_noticed = True
            self._notice(" ".join(str(row.pid) for row in left))

    def _ending(self, left: list[int]) -> Ending:
        status = 128 + signal.SIGKILL if self._leader.status is None else self._leader.status
        return Ending(self._cause, self._detail, status, self._was_told, tuple(left))

    def _sleep(self) -> None:
        """Sleep until something happens. While the command ends, look often: its last process sends no signal."""
        is_ending = self._ended is not None or self._endgame.has_begun
        self._pause = min(2 * self._pause, LONGEST_SLEEP) if is_ending else _SHORTEST_SLEEP
        fds = [self._signals.fileno()] + ([self._keeping.fileno()] if self._keeping else [])
        with suppress(OSError):
            self._clock.wait(fds, self._next_moment(), self._pause if is_ending else LONGEST_SLEEP)

    def _next_moment(self) -> float:
        """Return when time alone gives us something to do. A moment that has passed has been dealt with."""
        moments = [self._endgame.kill_at or inf]
        if self._keeping:
            moments.append(self._keeping.next_moment())
        if self._limits.timeout is not None:
            moments.append(self._began + self._limits.timeout)
        now = self._clock.boot()
        return min((moment for moment in moments if moment > now), default=inf)
