"""The watchdog: the keeper's second thread, which hears the guard and ends the job when the guard cannot.

The first may hang in the storage for ever; this one touches none.
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

_WAKE = 0.25  # seconds between two looks at the clock: timers stop in suspend
GUARD_SILENT = 2.0  # a guard that missed four beats is frozen: the lease must not be renewed for it
_KILLING = 60.0  # seconds of SIGKILL; a node that takes longer is about to die itself
_SNAPSHOT = 2.0  # how often to note who descends from the guard, for the case that it dies


class Watchdog:
    """The keeper's second thread: hears the guard, and ends the job when the guard cannot."""

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
        """Return whether the guard has said within the last seconds that it is there."""
        return self._clock.boot() - self._heard < GUARD_SILENT

    def run(self) -> None:
        """Watch until the guard is gone; then end the job and this process, without settling."""
        try:
            while self._link.is_open:
                with suppress(OSError):  # no processes or descriptors left to have: there may be in a moment
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
            self.deadline = self.deadline or message["deadline"]  # a new keeper has none of its own yet
            self._looked = 0.0 if self._is_resumed else self._heard  # a job that just begins has no tree yet
        elif message["kind"] == "settle":
            self._leader, self._tree = None, {}
            self._order(message)
        elif message["kind"] == "cancel":
            self.is_cancelled = True

    def _look_around(self) -> None:
        """Note the guard's descendants while it lives: with its death their common ancestor is lost."""
        if self._leader and self._clock.boot() - self._looked > _SNAPSHOT:
            self._looked = self._clock.boot()
            rows = proctree.table()
            mine = {os.getpid(), *proctree.descendants(rows, [os.getpid()])}
            tree = proctree.descendants(rows, [self._guard])
            guard = proctree.stat(self._guard)
            if guard and not guard.is_zombie:  # it lived until all was read; the dead have no descendants
                self._tree = {pid: row for pid, row in tree.items() if pid not in mine}

    def _stop_if_overdue(self) -> None:
        """Ask the job to stop when a silent guard does not; kill it in the end whatever the guard says.

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
        """Signal the job, and tell the guard before: what becomes of it now is no end of its own.

        Whether it lives is looked up without the environments, which can take a second that is not left.
        """
        rows = proctree.table()
        is_alive = self._signal(rows, self._known(rows), 0)
        if is_alive:
            self._link.send("stopped")
        if self._end_job(signum) and not is_alive:
            self._link.send("stopped")

    def _kill_to_the_last(self) -> None:
        """Kill until nothing is left; what even that does not end is stuck in the kernel."""
        give_up_at, clean_looks = self._clock.boot() + _KILLING, 0
        while clean_looks < 2 and self._clock.boot() < give_up_at:  # one may miss who was born meanwhile
            left = True
            with suppress(OSError):
                left = self._end_job(signal.SIGKILL)
            clean_looks = 0 if left else clean_looks + 1
            self._clock.sleep(0.05)

    def _end_job(self, signum: int) -> bool:
        """Signal all that is left of the job, what is known of it first; False when nothing is."""
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
