"""The watchdog: the keeper's second thread. It listens to the guard, and kills the job if the guard cannot.

The keeper's first thread may hang in storage for ever; this one never touches storage.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cronguard.run.errand import Errand
from cronguard.system import proctree
from cronguard.system.clock import Clock
from cronguard.system.link import Link

_WAKE = 0.25  # seconds between two looks at the clock: timers stop while the machine is suspended
GUARD_SILENT = 2.0  # seconds: a guard that missed four signs of life is frozen; its lease is not renewed
_KILLING = 60.0  # seconds of sending SIGKILL; a node that takes longer is about to die itself
_SNAPSHOT = 2.0  # seconds between two notes of the guard's descendants, in case the guard dies


class Watchdog:
    """The keeper's second thread: listens to the guard, and kills the job if the guard cannot."""

    def __init__(
        self, link: Link, clock: Clock, errand: Errand, order: Callable[[dict[str, Any]], None]
    ) -> None:
        self._link = link
        self._clock = clock
        self._ask, self._is_resumed = errand.ask, errand.is_resumed
        self._order = order
        self._guard = os.getppid()
        self._heard = clock.boot()
        self._leader: proctree.Stat | None = None
        self._tree: dict[int, proctree.Stat] = {}
        self._looked = 0.0
        self.deadline: float | None = None
        self._has_asked = False
        self.is_cancelled = False

    def guard_answers(self) -> bool:
        """Return whether the guard has sent a message within the last `GUARD_SILENT` seconds."""
        return self._clock.boot() - self._heard < GUARD_SILENT

    def run(self) -> None:
        """Watch until the guard is gone; then kill the job and end this process, without settling."""
        try:
            while self._link.is_open:
                with suppress(OSError):  # no processes or descriptors are left: there may be some in a moment
                    self._watch_once()
            self._kill_to_the_last()
        finally:
            os._exit(0)

    def _watch_once(self) -> None:
        self._link.wait(_WAKE)
        for message in self._link.receive():
            self._hear(message)
        self._stop_if_overdue()
        self._look_around()

    def _hear(self, message: dict[str, Any]) -> None:
        self._heard = self._clock.boot()
        if message["kind"] == "started":
            self._leader = proctree.Stat(*message["leader"])
            self.deadline = self.deadline or message["deadline"]  # a new keeper does not know one yet
            self._looked = 0.0 if self._is_resumed else self._heard  # a job that is starting has no tree yet
        elif message["kind"] == "settle":
            self._leader, self._tree = None, {}
            self._order(message)
        elif message["kind"] == "cancel":
            self.is_cancelled = True

    def _look_around(self) -> None:
        """Note the guard's descendants while it is alive: after its death they have no common ancestor."""
        if self._leader and self._clock.boot() - self._looked > _SNAPSHOT:
            self._looked = self._clock.boot()
            rows = proctree.table()
            mine = {os.getpid(), *proctree.descendants(rows, [os.getpid()])}
            tree = proctree.descendants(rows, [self._guard])
            guard = proctree.stat(self._guard)
            # Then it was alive while the table was read: a dead guard has no descendants.
            if guard and not guard.is_zombie:
                self._tree = {pid: row for pid, row in tree.items() if pid not in mine}

    def _stop_if_overdue(self) -> None:
        """Ask the job to stop if the guard is silent at the deadline; later kill it, even if the guard answers.

        A guard that froze a moment ago still seems to answer, and there is no time left to find out.
        """
        if self._leader is None or self.deadline is None:
            return
        late = self._clock.boot() - self.deadline
        if late >= self._ask.timing.kill_after + _WAKE:
            self._stop(signal.SIGKILL)
        elif late >= 0 and not self._has_asked and not self.guard_answers():
            self._has_asked = True
            self._stop(signal.SIGTERM)

    def _stop(self, signum: int) -> None:
        """Signal the job, but first tell the guard, which must not take what follows for the job's own end.

        The check whether the job is alive does not read environments: that can take a second, which is not left.
        """
        rows = proctree.table()
        is_alive = self._signal(rows, self._known(rows), 0)
        if is_alive:
            self._link.send("stopped")
        if self._end_job(signum) and not is_alive:
            self._link.send("stopped")

    def _kill_to_the_last(self) -> None:
        """Kill until nothing is left; a process that survives is stuck in the kernel."""
        give_up_at, clean_looks = self._clock.boot() + _KILLING, 0
        while clean_looks < 2 and self._clock.boot() < give_up_at:  # one look may miss a new process
            left = True
            with suppress(OSError):
                left = self._end_job(signal.SIGKILL)
            clean_looks = 0 if left else clean_looks + 1
            self._clock.sleep(0.05)

    def _end_job(self, signum: int) -> bool:
        """Signal every process of the job that is left, the known ones first; return False if none is left."""
        if self._leader is None:
            return False
        rows = proctree.table()
        roots = self._known(rows)
        left = self._signal(rows, roots, signum)
        carriers = {row.pid for row in proctree.carriers("CRONGUARD_RUN", self._ask.run)}
        return self._signal(rows, carriers - roots, signum) or left

    def _known(self, rows: dict[int, proctree.Stat]) -> set[int]:
        known = {**({self._leader.pid: self._leader} if self._leader else {}), **self._tree}
        roots = {pid for pid, row in known.items() if pid in rows and rows[pid].start == row.start}
        return roots | {row.pid for row in rows.values() if self._is_in_group(row)}

    def _signal(self, rows: dict[int, proctree.Stat], roots: set[int], signum: int) -> bool:
        tree = {**{pid: rows[pid] for pid in roots if pid in rows}, **proctree.descendants(rows, roots)}
        left = [
            row for pid, row in tree.items() if pid not in (os.getpid(), self._guard) and not row.is_zombie
        ]
        for row in left:
            proctree.send(row, signum)
        return bool(left)

    def _is_in_group(self, row: proctree.Stat) -> bool:
        leader = self._leader
        return leader is not None and (row.group, row.session) == (leader.pid, leader.session)
