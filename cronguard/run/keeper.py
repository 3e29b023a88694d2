"""The keeper: does the storage work of a run, in a process that the guard can abandon.

The main thread does the storage work and may hang for ever. A second thread watches the guard: it kills the job if the
guard is gone, or if the guard is frozen when the deadline comes.
"""

import errno
import os
import signal
import threading
from contextlib import suppress

from cronguard.advice.advice import Advice
from cronguard.lease.claim import Skip
from cronguard.lease.grant import Grant, Lost
from cronguard.lease.lease import Lease
from cronguard.lease.retries import may_pass
from cronguard.lease.seen import Sightings
from cronguard.run.counting import count
from cronguard.run.errand import Errand
from cronguard.run.mailbox import Mailbox
from cronguard.run.watchdog import Watchdog
from cronguard.store.contract import Backend, Terms, open_backend
from cronguard.store.gate import Gate
from cronguard.store.tidier import Tidier
from cronguard.system.clock import Clock
from cronguard.system.descriptors import leave_all
from cronguard.system.errors import BackendError, CronguardError, as_message, no_process
from cronguard.system.link import Link
from cronguard.system.proctree import Stat

# The part of the backend timeout for which a claim is retried. The guard gives up on a silent keeper after the whole
# timeout; by then the keeper must have reported what went wrong.
HEARD = 0.8
_NAME = "cg-keeper"  # not the guard's name: `pkill -x cronguard` must leave one of the two to clean up
_CONNECTING = 10.0  # seconds: three steps of three seconds each; a healthy host takes a tenth of that


class CancelledError(Exception):
    """The guard received a signal that ends the run before the lease was claimed."""


class Keeper:
    """Claims, renews and settles one lease for the guard at the other end of the link."""

    def __init__(self, errand: Errand, link: Link, clock: Clock, guard: Stat) -> None:
        self._errand = errand
        self._link = link
        self._clock = clock
        self._orders = Mailbox()
        self._advice: Advice | None = None
        self._gate = Gate(errand.state, errand.url, errand.backend_timeout, clock, self._moved)
        self._watchdog = Watchdog(link, clock, errand, guard, self._orders.put)

    def run(self) -> None:
        """Be the keeper's process: the watchdog on a thread of its own, the errand on this one."""
        _leave_cron(self._link.fileno())
        try:
            threading.Thread(target=self._watch, daemon=True).start()
        except RuntimeError:
            self._fail(no_process(OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))))
            return
        self.work()

    def work(self) -> None:
        """Do the whole errand; errors are sent to the guard, which reports them."""
        try:
            self._keep()
        except CancelledError:
            self._leave_queue()
            self._link.send("cancelled")
        except CronguardError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - the guard reports it and exits with status 70
            self._fail(CronguardError(f"{type(error).__name__}: {error}"))

    def _watch(self) -> None:
        try:
            self._watchdog.run()
        finally:
            os._exit(0)

    def _count(self, kind: str, word: str) -> None:
        """Count the run for `cronguard metrics`, when the guard has its answer: the state directory may hang."""
        job = self._errand.ask.job
        count(self._errand.state, self._errand.url, kind, job.ns, job.name, word)

    def _fail(self, error: CronguardError) -> None:
        self._link.send("failed", **as_message(error))

    def _leave_queue(self) -> None:
        """Give up the place among the waiting runs, if there is one: a run can be cancelled before it looks for one."""
        if self._advice:
            self._advice.leave()

    def _keep(self) -> None:
        backend = self._open()
        self._tidier = Tidier(backend, self._errand.url, self._errand.state)
        self._lease = self._make_lease(backend)
        answer = self._lease.resume() if self._errand.is_resumed else self._lease.acquire()
        if isinstance(answer, Skip):
            self._leave_queue()
            self._link.send("skipped", reason=answer.reason, detail=answer.detail)
            self._count("skip", answer.reason)
            return
        self._tell(answer)
        self._renew_until_told(answer)

    def _open(self) -> Backend:
        self._gate.enter()
        return open_backend(self._errand.url, self._clock, self._errand.state, self._terms())

    def _may_renew(self) -> bool:
        """Return whether to renew: not for a guard that is frozen, and cannot stop the job."""
        return self._watchdog.guard_answers()

    def _make_lease(self, backend: Backend) -> Lease:
        ask = self._errand.ask
        sightings = Sightings(self._errand.state, self._errand.url, ask.boot, self._clock)
        slice_ = min(5.0, self._errand.backend_timeout / 6)  # the guard hears nothing while the backend waits
        advice = self._advice = Advice(backend, ask, self._errand.strategy, self._clock, self._answered)
        patience = HEARD * self._errand.backend_timeout
        return Lease(backend, ask, self._clock, sightings, self._answered, slice_, advice, patience)

    def _terms(self) -> Terms:
        """Return the terms of the backend: an answer after the lease's end is useless, but connecting takes time.

        So the backend may try for as long as the lease lasts, or for `_CONNECTING` if the lease is shorter.
        """
        run_for = self._errand.ask.timing.run_for
        return Terms(min(self._errand.backend_timeout, max(_CONNECTING, run_for)), self._warn, run_for)

    def _warn(self, text: str) -> None:
        self._link.send("warned", text=text)

    def _moved(self) -> None:
        """Report progress at the gate: the store answers other runs of this node, so this one's turn will come."""
        self._link.send("answered")
        if self._watchdog.is_cancelled:
            raise CancelledError

    def _answered(self) -> None:
        self._gate.leave()
        self._link.send("answered")
        if self._watchdog.is_cancelled and not self._lease.is_held:
            raise CancelledError
        if not self._lease.is_held:  # while it waits; a claim must not be held up
            self._tidier.start()

    def _renew_until_told(self, answer: Grant | Lost) -> None:
        """Renew at each heartbeat, sooner after a failure, until the guard reports how the run ended."""
        heartbeat = self._errand.ask.timing.heartbeat
        pause = heartbeat
        while True:
            self._tidier.start()
            if order := self._orders.take(pause):
                self._settle(order["state"], order["status"], order["limit"])
                if order["word"]:
                    self._count("run", order["word"])
                return
            pause = heartbeat
            if isinstance(answer, Grant) and self._may_renew():
                try:
                    answer = self._lease.renew()
                    self._tell(answer)
                except BackendError as error:
                    if not may_pass(error):
                        raise
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


def _leave_cron(link: int) -> None:
    """Let go of everything inherited from cron: cron reads its pipe to the end, and a stuck keeper must not hold it."""
    os.setsid()
    with suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(_NAME)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(signum, signal.SIG_IGN)  # the guard forwards them, and tells us when it is over
    os.chdir("/")
    leave_all(but=link)
