"""The watchdog: the keeper's second thread. It listens to the guard, and kills the job if the guard cannot.

The keeper's first thread may hang in storage for ever; this one never touches storage.
"""

import signal
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from cronguard.run.endgame import Endgame
from cronguard.run.errand import Errand
from cronguard.run.tree import below, credible, orphaned
from cronguard.system import proctree
from cronguard.system.clock import Clock
from cronguard.system.link import Link
from cronguard.system.proctree import Stat

if TYPE_CHECKING:
    from cronguard.run.effects import Kernel

_WAKE = 0.25  # seconds between two looks at the clock: timers stop while the machine is suspended
GUARD_SILENT = 2.0  # seconds: a guard that missed four signs of life is frozen; its lease is not renewed
_KILLING = 60.0  # seconds of sending SIGKILL; a node that takes longer is about to die itself
_ROUND = 0.05  # seconds between two rounds of SIGKILL
_SNAPSHOT = 2.0  # seconds between two notes of the guard's descendants, in case the guard dies


class Watchdog:
    """The keeper's second thread: listens to the guard, and kills the job if the guard cannot.

    `guard` is the row of the guard's process, as the guard itself read it before the fork. The parent of this process
    may be another one by now, and so may the owner of the guard's PID.
    """

    def __init__(
        self,
        link: Link,
        clock: Clock,
        errand: Errand,
        guard: Stat,
        order: Callable[[dict[str, Any]], None],
        kernel: "Kernel" = proctree,
    ) -> None:
        self._link = link
        self._clock = clock
        self._ask, self._is_resumed = errand.ask, errand.is_resumed
        self._guard = guard
        self._order = order
        self._kernel = kernel
        self._me = kernel.me().pid
        self._heard = clock.boot()
        self._leader: Stat | None = None
        self._tree: dict[int, Stat] = {}
        self._looked = 0.0
        self._endgame, self._stops_for = Endgame(_KILLING), inf
        self.deadline: float | None = None
        self.is_cancelled = False

    def guard_answers(self) -> bool:
        """Return whether the guard has sent a message within the last `GUARD_SILENT` seconds."""
        return self._clock.boot() - self._heard < GUARD_SILENT

    def run(self) -> None:
        """Watch until the guard is gone; then kill the job, without settling."""
        while self._link.is_open:
            with suppress(OSError):  # no processes or descriptors are left: there may be some in a moment
                self._watch_once()
        self._kill_to_the_last()

    def _watch_once(self) -> None:
        self._clock.wait([self._link.fileno()], self._next_moment(), _WAKE)
        for message in self._link.receive():
            self._hear(message)
        if signum := self._overdue():
            self._stop(signum)
        self._look_around()

    def _hear(self, message: dict[str, Any]) -> None:
        self._heard = self._clock.boot()
        if message["kind"] == "started":
            self._leader = Stat(*message["leader"])
            self._hold(message["note"])
            self.deadline = self.deadline or message["deadline"]  # a new keeper does not know one yet
            self._looked = 0.0 if self._is_resumed else self._heard  # a job that is starting has no tree yet
        elif message["kind"] == "settle":
            self._leader, self._tree = None, {}
            self._order(message)
        elif message["kind"] == "cancel":
            self.is_cancelled = True

    def _hold(self, path: str | None) -> None:
        """Hold the run's note until this process ends, so that it is not taken for a dead run's."""
        if path:
            from cronguard.run.note import hold

            hold(path)

    def _overdue(self) -> signal.Signals | None:
        """Return what to send now: SIGTERM if the guard is silent at the deadline; later SIGKILL, even if it answers.

        A guard that froze a moment ago still seems to answer, and there is no time left to find out.
        """
        if self._leader is None or self.deadline is None:
            return None
        if self.deadline != self._stops_for:
            self._endgame, self._stops_for = Endgame(_KILLING), self.deadline
        now, kill_at = self._clock.boot(), self.deadline + self._ask.timing.kill_after + _WAKE
        if now >= kill_at or (now >= self.deadline and not self.guard_answers()):
            self._endgame.stop(kill_at)
        return self._endgame.order(now)

    def _next_moment(self) -> float:
        """Return when time alone gives us something to do."""
        if self._leader is None:
            return inf
        moments = [self._looked + _SNAPSHOT]
        if self.deadline is not None:
            kill_at = self.deadline + self._ask.timing.kill_after + _WAKE
            moments += [max(self.deadline, self._heard + GUARD_SILENT), kill_at]
        now = self._clock.boot()
        return min((moment for moment in moments if moment > now), default=inf)

    def _look_around(self) -> None:
        """Note the guard's descendants while it is alive: after its death they have no common ancestor."""
        if self._leader and self._clock.boot() - self._looked >= _SNAPSHOT:
            self._looked = self._clock.boot()
            rows = self._kernel.table()
            if self._guard_lives():
                self._tree = self._below_guard(rows, self._leader)

    def _guard_lives(self) -> bool:
        """Return whether the guard, and not a later process with its PID, is alive.

        Asked after a table was read, it says that the guard was alive all the time: a dead guard has no descendants.
        """
        now = self._kernel.stat(self._guard.pid)
        return now is not None and now.start == self._guard.start and not now.is_zombie

    def _below_guard(self, rows: dict[int, Stat], leader: Stat) -> dict[int, Stat]:
        tree = below(rows, [self._guard.pid], {self._me}).values()
        return {row.pid: row for row in credible(tree, rows, leader, self._me)}

    def _stop(self, signum: int) -> None:
        """Signal the job, but first tell the guard, which must not take what follows for the job's own end.

        The check whether the job is alive does not read environments: that can take a second, which is not left.
        """
        is_alive = bool(self._left())
        if is_alive:
            self._link.send("stopped")
        if self._end_job(signum) and not is_alive:
            self._link.send("stopped")

    def _kill_to_the_last(self) -> None:
        """Kill until nothing is left; a process that survives is stuck in the kernel."""
        clean_looks = 0
        self._endgame.stop(self._clock.boot())
        while clean_looks < 2 and not self._endgame.is_hopeless:  # one look may miss a new process
            left = True
            with suppress(OSError):
                left = self._end_job(self._endgame.order(self._clock.boot()) or signal.SIGKILL)
            clean_looks = 0 if left else clean_looks + 1
            self._clock.sleep(_ROUND)

    def _end_job(self, signum: int) -> bool:
        """Signal every process of the job that is left, the known ones first; return False if none is left."""
        known = self._left()
        for row in known:
            self._kernel.send(row, signum)
        if self._leader is None:
            return False
        carriers = self._kernel.carriers("CRONGUARD_RUN", self._ask.run)
        more = credible(carriers, self._kernel.table(), self._leader, self._me)
        for row in more:
            if row not in known:
                self._kernel.send(row, signum)
        return bool(known or more)

    def _left(self) -> list[Stat]:
        """Return the job's processes that are left: all below a living guard, else those that are proved to be its."""
        if self._leader is None:
            return []
        rows = self._kernel.table()
        if self._guard_lives():
            self._tree = {**self._tree, **self._below_guard(rows, self._leader)}
        return orphaned(rows, self._leader, self._tree.values(), self._me)
