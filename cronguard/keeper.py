"""The keeper: the storage side of a run, in a process that the guard can abandon.

It does its storage work on the main thread, which may hang for ever, and watches on another: when the guard is
gone it ends the job, and when the guard is frozen at the deadline it does so too.
"""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cronguard import proctree
from cronguard.backend import Backend, open_backend
from cronguard.claim import Skip
from cronguard.clock import Clock
from cronguard.errand import Errand
from cronguard.errors import BackendError, CronguardError, StoreRefusedError, as_message
from cronguard.gate import Gate
from cronguard.lease import Grant, Lease, Lost
from cronguard.link import Link
from cronguard.seen import Sightings

_WAKE = 0.25  # seconds between two looks at the clock: timers stop in suspend
GUARD_SILENT = 2.0  # a guard that missed four beats is frozen: the lease must not be renewed for it
_KILLING = 60.0
_SNAPSHOT = 2.0  # how often to note who descends from the guard, for the case that it dies


class CancelledError(Exception):
    """The guard was told to end before anything was claimed."""


class Keeper:
    """Claims, renews and settles one lease, as the guard at the other end of the link asks."""

    def __init__(self, errand: Errand, link: Link, clock: Clock) -> None:
        self._errand = errand
        self._link = link
        self._clock = clock
        self._orders = Mailbox()
        self._gate = Gate(errand.state, errand.url, errand.backend_timeout, clock)
        self._watchdog = Watchdog(link, clock, errand, self._orders.put)

    def run(self) -> None:
        """Do the whole errand; what goes wrong is the guard's to tell."""
        _leave_cron(self._link.fileno())
        threading.Thread(target=self._watchdog.run, daemon=True).start()
        try:
            self._keep()
        except CancelledError:
            self._link.send("cancelled")
        except CronguardError as error:
            self._link.send("failed", **as_message(error))
        except Exception as error:  # noqa: BLE001 - the guard tells, and exits 70
            self._link.send("failed", **as_message(CronguardError(f"{type(error).__name__}: {error}")))

    def _keep(self) -> None:
        self._gate.enter()
        errand = self._errand
        backend = open_backend(errand.url, self._clock, errand.state, errand.backend_timeout)
        self._lease = self._make_lease(backend)
        answer = self._lease.resume() if self._errand.is_resumed else self._lease.acquire()
        if isinstance(answer, Skip):
            self._link.send("skipped", reason=answer.reason, detail=answer.detail)
            return
        self._tell(answer)
        self._renew_until_told(answer)

    def _make_lease(self, backend: Backend) -> Lease:
        ask = self._errand.ask
        sightings = Sightings(self._errand.state, self._errand.url, ask.boot, self._clock)
        slice_ = min(5.0, self._errand.backend_timeout / 2)
        return Lease(backend, ask, self._clock, sightings, self._answered, slice_)

    def _answered(self) -> None:
        self._gate.leave()
        self._link.send("answered")
        if self._watchdog.is_cancelled and not self._lease.is_held:
            raise CancelledError

    def _renew_until_told(self, answer: Grant | Lost) -> None:
        """Renew at each heartbeat, sooner after a failure, until the guard says how the run ended."""
        heartbeat = self._errand.ask.timing.heartbeat
        pause = heartbeat
        while True:
            if order := self._orders.take(pause):
                self._settle(order["state"], order["status"], order["limit"])
                return
            pause = heartbeat
            if isinstance(answer, Grant) and self._watchdog.guard_answers():
                try:
                    answer = self._lease.renew()
                    self._tell(answer)
                except StoreRefusedError:
                    raise
                except BackendError:
                    pause = min(1.0, heartbeat / 4)

    def _tell(self, answer: Grant | Lost) -> None:
        if isinstance(answer, Grant):
            self._watchdog.deadline = answer.deadline
            self._link.send("granted", **answer._asdict())
        else:
            self._link.send("lost", reason=answer.reason, detail=answer.detail)

    def _settle(self, state: str, status: int | None, limit: float) -> None:
        is_ours = self._lease.is_held and self._lease.settle(state, status, self._clock.boot() + limit)
        self._link.send("settled", is_ours=is_ours)


class Mailbox:
    """Where one thread leaves a message for the other (the standard queue costs 3 ms of imports)."""

    def __init__(self) -> None:
        self._filled = threading.Event()
        self._message: dict[str, Any] | None = None

    def put(self, message: dict[str, Any]) -> None:
        """Leave the message."""
        self._message = message
        self._filled.set()

    def take(self, timeout: float) -> dict[str, Any] | None:
        """Return the message, waiting for it for so many seconds."""
        self._filled.wait(timeout)
        return self._message


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


def _leave_cron(link: int) -> None:
    """Keep nothing of cron's: a keeper stuck in the kernel must not hold the pipe that cron reads to its end."""
    os.setsid()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(signum, signal.SIG_IGN)  # the guard forwards, and tells when it is over
    os.chdir("/")
    for name in os.listdir("/proc/self/fd"):
        if int(name) != link:
            with suppress(OSError):  # the listing's own descriptor is closed by now
                os.close(int(name))
    for _ in range(3):
        os.open(os.devnull, os.O_RDWR)
