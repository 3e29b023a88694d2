"""The keeper, modelled after keeper.py: one thread has cronguard's real lease, another is the second watchdog."""

from math import inf

from cronguard.advice.advice import Advice
from cronguard.lease.claim import Skip
from cronguard.lease.grant import Grant
from cronguard.run.keeper import HEARD
from cronguard.run.watchdog import GUARD_SILENT
from cronguard.system.errors import BackendError, CronguardError
from cronguard.turns.turn import Turn

from .connection import Connection
from .node import ThreadClock
from .process import Thread

_WAKE = 0.25  # seconds between two checks by the watching thread
_GRACE = 0.25  # seconds that a responsive guard has to kill the job itself


class Keeper:
    """Claims, renews and settles for the guard; kills the job when the guard cannot."""

    def __init__(self, guard, is_resumed, delay):
        self.world, self.guard, self.node = guard.world, guard, guard.node
        self.process = self.node.spawn()
        self.thread = Thread(self.process, self._live, delay)
        self.watch = Thread(self.process, self._watch_guard, delay)
        self._is_resumed = is_resumed
        self._deadline = self._order = None
        self._knows_job = self._is_renewing = False
        self._heard = self.node.boot()
        self._timing = guard.run.ask.timing
        self.process.changed.append(self._on_change)

    def hear(self, kind, what=None):
        """Receive a message from the guard."""
        self._heard = max(self._heard, self.node.boot())
        self._knows_job = kind == "started"
        if kind == "started":
            self._deadline = self._deadline if what is None else what
        if kind == "settle":
            self._order = what
            self.thread.poke(self.world.some(0.01))
        self.watch.poke(self.world.some(0.05))

    def guard_answers(self):
        """Return whether the guard was heard recently."""
        return self.node.boot() - self._last_heard() < GUARD_SILENT

    def _on_change(self):
        guard, own = self.guard.process, self.process
        has_spoken = guard.is_running or guard.stopped >= own.stopped
        if own.continued == self.world.timeline.now and has_spoken:
            self._heard = self.node.boot()  # messages that the guard sent meanwhile are received now
        if not self.process.is_alive:
            self.guard.thread.poke(self.world.some(0.05))  # its end of the link is closed

    def _last_heard(self):
        return max(self._heard, self.guard.last_beat())

    def _live(self):
        try:
            self._keep()
        except CronguardError as error:
            self._send("failed", error)
        self.process.end()

    def _keep(self):
        connection = Connection(self.world, self.guard.run, self.process, self.thread)
        clock = ThreadClock(self.node, self.thread)
        sightings = NotedSightings(self.world.rules.sightings(self.world, self.node, clock), self.node)
        slice_ = min(5.0, self.world.schedule.job.backend_timeout / 6)
        answered = lambda: self._send("answered", None)  # noqa: E731
        self._lease = self.world.rules.lease(
            connection,
            self.guard.run.ask,
            clock,
            sightings,
            answered,
            slice_,
            self._strategy(connection, clock, answered),
            HEARD * self.world.schedule.job.backend_timeout,
        )
        if self._is_resumed:
            self.world.strike(self.guard.run, "resuming")
        answer = self._lease.resume() if self._is_resumed else self._lease.acquire()
        if isinstance(answer, Skip):
            self._send("skipped", answer)
        else:
            self._tell(answer)
            self._renew_until_told(answer)

    def _advise(self, record, verdict):
        return Turn(self.guard.run.head_start, "a head start for others")

    def _strategy(self, connection, clock, answered):
        """Return cronguard's real advice, or a fixed head start for schedules without a strategy."""
        strategy = self.world.schedule.strategy
        if strategy is None:
            return self._advise
        number = self.guard.run.ask.tick.epoch // 60
        return Advice(
            connection,
            self.guard.run.ask,
            strategy._replace(me=self.node.name, number=number),
            clock,
            answered,
        )

    def _renew_until_told(self, answer):
        heartbeat = self._timing.heartbeat
        pause = heartbeat
        while not self._take_order(pause):
            pause = heartbeat
            if isinstance(answer, Grant) and self._may_renew():
                try:
                    answer = self._renew()
                    self._tell(answer)
                except BackendError:
                    pause = min(1.0, heartbeat / 4)
        word, status, limit = self._order
        is_ours = self._lease.is_held and self._lease.settle(word, status, self.node.boot() + limit)
        self._send("settled", is_ours)

    def may_yet_renew(self):
        """Return whether to wait for a renewal in progress: never, unless that rule is switched off."""
        return self._is_renewing and not self.world.rules.late_renewals_do_not_count

    def _renew(self):
        self._is_renewing = True
        try:
            return self._lease.renew()
        finally:
            self._is_renewing = False
            if not self.world.rules.late_renewals_do_not_count:
                self.guard.thread.poke()

    def _may_renew(self):
        if not self.world.rules.keeper_renews_only_for_a_living_guard:
            return True
        was_stopped = self.process.continued == self.world.timeline.now
        if was_stopped and self.world.random.random() < 0.5:
            return False  # the watching thread has not checked the socket yet
        return self.guard_answers()

    def _take_order(self, seconds):
        until = self.node.moment(self.node.boot() + seconds)
        while self._order is None and self.world.timeline.now < until:
            self.thread.wait(until)
        return self._order

    def _tell(self, answer):
        if isinstance(answer, Grant):
            self._deadline = answer.deadline
            self.watch.poke()
        self._send("granted" if isinstance(answer, Grant) else "lost", answer)

    def _send(self, kind, what):
        self.guard.hear(self, kind, what)

    def _watch_guard(self):
        while self.guard.process.is_alive or not self.world.rules.keeper_ends_orphans:
            self.watch.wait(self._watched())
        if self._knows_job:
            self.guard.job.kill()
        self.process.end()

    def _watched(self):
        """Stop the job if that is overdue; return when to check again."""
        rules = self.world.rules
        if not self._knows_job or self._deadline is None or not rules.keeper_stops_at_deadline:
            return inf
        if self.guard.job.ended is not None or self.may_yet_renew():
            return inf
        late = self.node.boot() - self._deadline
        is_silent = not self.guard_answers()
        if late >= self._timing.kill_after + _GRACE * (not is_silent):
            if is_silent or rules.keeper_kills_whoever_answers:
                self.guard.job.kill()
        elif late >= 0 and is_silent:
            self.guard.job.terminate()
        return self._next_look(late)

    def _next_look(self, late):
        """Return the next time at which anything can be overdue. Changes of the guard arrive as pokes."""
        due = self._deadline + (self._timing.kill_after if late >= 0 else 0.0)
        if self.guard.process.is_running:
            due = self._deadline + self._timing.kill_after + _GRACE
        elif not late >= self._timing.kill_after:
            due = max(due, self._last_heard() + GUARD_SILENT)
        return self.node.moment(max(due, self.node.boot())) + self.world.some(_WAKE)


class NotedSightings:
    """A node's sightings. The true time of each first sighting is recorded for the invariants."""

    def __init__(self, sightings, node):
        self._sightings, self._node = sightings, node

    def unchanged(self, key, version, identity, *, is_fresh=True):
        """Return the answer of the real sightings."""
        self._node.seen.setdefault(version, self._node.timeline.now)
        return self._sightings.unchanged(key, version, identity, is_fresh=is_fresh)
