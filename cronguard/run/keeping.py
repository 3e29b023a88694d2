"""The guard's side of the lease: what it requests from the keeper, and how long it waits for an answer."""

import signal
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any

from cronguard.lease.claim import Skip
from cronguard.run.aside import left_behind
from cronguard.run.keeper_process import KeeperProcess
from cronguard.store.contract import prepare_backend
from cronguard.store.url import silent
from cronguard.system import proctree
from cronguard.system.clock import Clock
from cronguard.system.errors import from_message
from cronguard.system.signals import ENDING
from cronguard.system.stderr import say

if TYPE_CHECKING:
    from cronguard.lease.grant import Grant
    from cronguard.run.effects import Employ, Signalled
    from cronguard.run.errand import Errand

BEAT = 0.5  # seconds between two signs of life to the keeper, which does not renew for a frozen guard
# Seconds between the starts of two keepers: a keeper that dies at once must not be started a hundred times. The pause
# is doubled after each keeper that renewed nothing, up to the heartbeat: a lock host that refuses our key must not get
# a request every second.
_RESTART = 1.0
_CANCELLING = 5.0  # seconds to take a claim back when the run is cancelled
_FINISHING = 1.0  # seconds for the keeper to count the run: the state directory may hang
_DYING = 0.02  # seconds between two looks at a keeper that was killed
_LONGEST_SLEEP = 0.25  # timers stop while the machine is suspended: the loops must wake and look at the clock


class Keeping:
    """A lease as the guard knows it, from messages alone. At `deadline` (boot time) the command must be stopped."""

    def __init__(self, errand: "Errand", clock: Clock, employ: "Employ" = KeeperProcess) -> None:
        self._errand, self._clock, self._employ = errand, clock, employ
        self._keeper = employ(errand, clock)
        self._started = self._beaten = clock.boot()
        self._pause = _RESTART
        self._leader: proctree.Stat | None = None
        self._note: str | None = None
        self._trouble = ""
        self.deadline = inf
        self.has_stopped_job = self.is_counted = False

    def acquire(self, signals: "Signalled") -> "Grant | Skip | signal.Signals":
        """Wait for the claim, and return its answer; if a signal ended the waiting, return the signal.

        Raises the error that the keeper reports, and BackendError if it reports nothing for the backend timeout.
        """
        # A later keeper needs these modules, and the disk may not answer by then.
        import cronguard.run.keeper  # noqa: F401

        prepare_backend(self._errand.url)

        answered, cancelled = self._clock.boot(), None
        while True:
            for signum in signals.receive():
                if signum in ENDING and cancelled is None:
                    cancelled, answered = signum, self._clock.boot()
                    self._keeper.link.send("cancel")
            for message in self._keeper.receive():
                answered = self._clock.boot()
                if answer := self._answer(message):
                    return self._cancelled(cancelled) if cancelled else answer
            self._check_patience(answered, cancelled)
            if cancelled and not self._is_going_on(answered):
                return self._cancelled(cancelled)
            self._revive(is_resumed=False)
            fds = [signals.fileno(), self._keeper.link.fileno()]
            patience = _CANCELLING if cancelled else self._errand.backend_timeout
            self._clock.wait(fds, min(answered + patience, self._restart_at()), _LONGEST_SLEEP)

    def guard(self, leader: proctree.Stat, note: str | None = None) -> None:
        """Tell the keeper which process to kill if the guard is gone. Call this before the command starts.

        `note` is the path of the note that the keeper must hold too.
        """
        self._leader, self._note = leader, note
        self._keeper.link.send("started", leader=leader, deadline=self.deadline, note=note)

    def attend(self) -> tuple[str, str] | None:
        """Show the keeper that the guard is alive, and read its messages; return cause and detail of a lost lease."""
        now = self._clock.boot()
        if now - self._beaten >= BEAT * 0.9:
            self._beaten = now
            self._keeper.link.send("beat")
        for message in self._keeper.receive():
            if message["kind"] == "granted" and self._is_in_time():
                self.deadline = message["deadline"]
                self._pause = _RESTART
            elif message["kind"] == "lost":
                return ("revoked" if message["reason"] == "revoked" else "lost"), message["detail"]
            elif message["kind"] == "failed":
                self._trouble = message["message"]
            elif message["kind"] == "stopped":
                self.has_stopped_job = True
            elif message["kind"] == "warned":
                say(message["text"])
        if now < self.deadline:
            self._revive(is_resumed=True)
        return None

    def settle(self, state: str, status: int | None, limit: float, word: str = "") -> bool:
        """Settle within about `limit` seconds, and return whether that worked; replace a frozen or dead keeper once.

        Then the keeper counts the run under `word`, if that is given.
        """
        is_written = self._settle(state, status, limit, word)
        if is_written is None and self._keeper.end():
            self._started = -inf
            self._revive(is_resumed=True)
            is_written = self._settle(state, status, limit, word)
        self.is_counted = is_written is not None and bool(word)
        self.dismiss()
        return bool(is_written)

    def dismiss(self) -> None:
        """Let the keeper finish: it has answered, and only counts the run. Kill it if that takes long."""
        give_up_at = self._clock.boot() + _FINISHING
        while self._keeper.link.is_open and self._clock.boot() < give_up_at:
            self._clock.wait([self._keeper.link.fileno()], give_up_at, _LONGEST_SLEEP)
            self._keeper.receive()
        self.end()

    def end(self) -> None:
        """Kill the keeper; a lease that is claimed but not settled will expire."""
        self._keeper.end()

    def numbers(self) -> frozenset[int]:
        """Return the PIDs of our other children, which are not the job's: of the keeper, and of what was left behind."""
        own = {self._keeper.pid} if self._keeper.is_alive() else set()
        return left_behind() | own

    def next_moment(self) -> float:
        """Return when the deadline comes, or before it the time for another keeper."""
        return min(self.deadline, self._restart_at()) if self._clock.boot() < self.deadline else self.deadline

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._keeper.link.fileno()

    @property
    def trouble(self) -> str:
        """The last error that the keeper reported."""
        return self._trouble

    def _is_in_time(self) -> bool:
        """Return whether a renewal still counts: after the deadline another node may have taken the job over."""
        return self._clock.boot() < self.deadline

    def _answer(self, message: dict[str, Any]) -> "Grant | Skip | None":
        from cronguard.lease.grant import Grant

        kind = message.pop("kind")
        if kind == "granted":
            grant = Grant(**message)
            self.deadline = grant.deadline
            return grant
        if kind == "failed":
            self.end()
            raise from_message(message)
        if kind == "warned":
            say(message["text"])
        if kind != "skipped":
            return None
        self.is_counted = True
        return Skip(message["reason"], message["detail"])

    def _cancelled(self, signum: signal.Signals) -> signal.Signals:
        if self.deadline < inf:
            self._settle("cancelled", None, _CANCELLING)
        self.end()
        return signum

    def _is_going_on(self, cancelled_at: float) -> bool:
        return self._keeper.link.is_open and self._clock.boot() < cancelled_at + _CANCELLING

    def _check_patience(self, answered: float, cancelled: signal.Signals | None) -> None:
        limit = self._errand.backend_timeout
        if cancelled is None and self._clock.boot() - answered > limit:
            self.end()
            raise silent(self._errand.url, limit)

    def _restart_at(self) -> float:
        """Return when another keeper may be started, if this one is gone; soon, if it is still dying."""
        if self._keeper.link.is_open:
            return inf
        return max(self._started + self._rest(), self._clock.boot() + _DYING)

    def _settle(self, state: str, status: int | None, limit: float, word: str = "") -> bool | None:
        """Return whether the outcome was recorded; None if the keeper does not answer."""
        self._keeper.link.send("settle", state=state, status=status, limit=limit, word=word)
        give_up_at = self._clock.boot() + limit + 1.0
        while self._keeper.link.is_open and self._clock.boot() < give_up_at:
            self._clock.wait([self._keeper.link.fileno()], give_up_at, _LONGEST_SLEEP)
            for message in self._keeper.receive():
                if message["kind"] == "settled":
                    return bool(message["is_ours"])
                if message["kind"] == "failed":
                    self._trouble = message["message"]
                    return False
        return None

    def _revive(self, *, is_resumed: bool) -> None:
        """Start another keeper if this one is dead; if it has only closed its end of the link, kill it first."""
        if self._keeper.link.is_open:
            return
        self._keeper.kill()
        if not self._keeper.is_alive() and self._clock.boot() - self._started >= self._rest():
            self._started = self._clock.boot()
            self._pause = min(2 * self._pause, self._errand.ask.timing.heartbeat)
            with suppress(OSError):  # no process can start now: try again in a second; the deadline holds
                self._replace_keeper(self._errand._replace(is_resumed=is_resumed))

    def _rest(self) -> float:
        """Return the minimum time between two keeper starts: shorter near the deadline, where each may save the run."""
        return max(_RESTART, min(self._pause, (self.deadline - self._started) / 2))

    def _replace_keeper(self, errand: "Errand") -> None:
        self._keeper.link.close()
        self._keeper = self._employ(errand, self._clock)
        if self._leader:
            self.guard(self._leader, self._note)
