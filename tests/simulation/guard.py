"""The guard, modelled after keeping.py, supervisor.py and guard.py: it never touches the store."""

from math import inf

from cronguard.lease.grant import Grant

from .job import Job
from .keeper import Keeper
from .process import Thread

_START = 0.3  # seconds at most from cron's fork to the keeper's start
_FORK = 0.05  # seconds at most to fork, or for a message to be noticed
_RESTART = 1.0
_BEAT = 0.5
_SETTLE_LOST = 5.0
_SIGNALLED = 128  # from this status on, a signal ended the job: perhaps the keeper's
_ANSWER = 1.0  # seconds beyond the keeper's limit, in which it may still report whether it has settled


class Guard:
    """One run's process: it claims through a keeper, enforces the deadline, kills, and lets the keeper settle."""

    def __init__(self, world, run):
        self.world, self.run, self.node = world, run, run.node
        self.process = self.node.spawn()
        self.inbox = []
        self.deadline = inf
        self.keeper = self.job = None
        self.is_beating = False
        self._beaten = self.node.boot()
        self._cause, self._kill_at, self._has_killed = "", None, False
        self._timing = run.ask.timing
        self.process.changed.append(self._on_change)
        self.thread = Thread(self.process, self._live, world.some(_START))
        run.guard = self
        run.watch(self.process)

    def last_beat(self):
        """Return the boot time at which the keeper last heard from the guard."""
        if self.is_beating and self.process.is_running:
            self._beaten = self.node.boot()
        return self._beaten

    def _on_change(self):
        """Handle a stop or the death of the guard.

        If it was stopped, its last beat was some time earlier. If it died, the keeper sees the closed socket.
        """
        if (
            self.is_beating
            and not self.process.is_running
            and self.process.stopped == self.world.timeline.now
        ):
            self._beaten = self.node.boot() - self.world.some(_BEAT)
        if self.keeper and self.keeper.process.is_alive:
            self.keeper.watch.poke(self.world.some(_FORK))
        elif not self.process.is_alive and self.job:
            self.job.kill()  # PR_SET_PDEATHSIG: no other process is left to do it

    def _live(self):
        self._employ(is_resumed=False)
        answer = self._acquire()
        self.run.answered(answer)
        if isinstance(answer, Grant):
            self._run_command()
            self._settled()
            self._outlive()
        self.keeper.process.end()
        self.process.end()

    def _acquire(self):
        limit = self.world.schedule.job.backend_timeout
        answered = self.node.boot()
        while True:
            for kind, what, at in self._receive():
                answered = at
                if kind != "answered":
                    self.deadline = what.deadline if kind == "granted" else inf
                    return what
            if self.node.boot() - answered > limit:
                return TimeoutError("the backend has not answered")
            self._revive(is_resumed=False)
            self._wait(answered + limit)

    def _run_command(self):
        self.world.strike(self.run, "granted")
        self.thread.sleep(self.world.some(_FORK))
        self.job = self.run.job = Job(self.world, self.node, lambda: self.thread.poke(self.world.some(_FORK)))
        self._introduce()
        self.world.strike(self.run, "releasing")
        self.thread.sleep(self.world.some(0.01))
        if self.node.boot() >= self.deadline and self.world.rules.starts_only_before_the_deadline:
            self._cause = "lost"
            self.job.kill()
            return
        self.is_beating = True
        self.job.release()
        self.run.note("starts")
        self.world.strike(self.run, "started")
        self.thread.sleep(self.world.some(0.01))
        self._watch()

    def _watch(self):
        """Return when the job has ended. Each round checks everything, as in the supervisor's loop."""
        while True:
            self._attend()
            self._check_times()
            if self.job.ended is not None or (self._cause and not self.world.rules.settles_after_the_end):
                return
            self._wait_for_time()

    def _outlive(self):
        """Wait for the job to end, if the run was settled too early."""
        while self.job.ended is None:
            self._check_times()
            self._wait_for_time()

    def _wait_for_time(self):
        now = self.node.boot()
        moments = (self.deadline, self._kill_at or inf)
        self._wait(min((moment for moment in moments if moment > now), default=inf))

    def _attend(self):
        for kind, what, _ in self._receive():
            is_early = self.node.boot() < self.deadline or not self.world.rules.late_renewals_do_not_count
            if kind == "granted" and is_early:
                self.deadline = what.deadline
            elif kind == "lost":
                self._stop("lost", self.node.boot() + self._timing.kill_after)
                return
        if self.node.boot() < self.deadline:
            self._revive(is_resumed=True)

    def _check_times(self):
        now = self.node.boot()
        if (
            now >= self.deadline
            and self.world.rules.guard_stops_at_deadline
            and not self.keeper.may_yet_renew()
        ):
            self._stop("lost", self.deadline + self._timing.kill_after)
        if self._kill_at is not None and now >= self._kill_at and not self._has_killed:
            self.world.strike(self.run, "killing")
            self.thread.sleep(self.world.some(0.01))
            self._has_killed = True
            self.job.kill()

    def _stop(self, cause, kill_at):
        ended_itself = self.job.ended is not None and self.job.status < _SIGNALLED
        if ended_itself and self.world.rules.an_ended_job_is_not_lost:
            return
        if self._kill_at is None:
            self.run.note("is stopped")
            self.job.terminate()
            self._cause, self._kill_at = cause, kill_at
            self.world.strike(self.run, "stopping")

    def _settled(self):
        self.is_beating = False
        word = self._cause or ("failed" if self.job.status else "done")
        limit = _SETTLE_LOST if word == "lost" else self.world.schedule.job.backend_timeout
        self.world.strike(self.run, "settling")
        self.thread.sleep(self.world.some(_FORK))
        self.run.settles(word)
        if self._settle(word, limit) is None:
            self.keeper.process.end()
            self._employ(is_resumed=True)
            self._settle(word, limit)

    def _settle(self, word, limit):
        self._beaten = self.node.boot()
        self.keeper.hear("settle", (word, self.job.status, limit))
        give_up_at = self.node.boot() + limit + _ANSWER
        while self.node.boot() < give_up_at:
            for kind, _, _ in self._receive():
                if kind in ("settled", "failed"):
                    return kind
            if not self.keeper.process.is_alive:
                return None
            self._wait(give_up_at)
        return None

    def _employ(self, *, is_resumed):
        self._employed = self.node.boot()
        self.keeper = Keeper(self, is_resumed, self.world.some(_FORK))
        if self.job and self.job.is_alive:
            self._introduce()
        self.run.watch(self.keeper.process)

    def _introduce(self):
        """Tell the keeper which job runs, and until when it may run."""
        is_told = self.world.rules.a_new_keeper_is_told_the_deadline
        self.keeper.hear("started", self.deadline if is_told else None)

    def _revive(self, *, is_resumed):
        if not self.keeper.process.is_alive and self.node.boot() - self._employed >= _RESTART:
            self._employ(is_resumed=is_resumed)

    def hear(self, keeper, kind, what):
        """Receive a message from the keeper. A mere sign of life does not wake the guard."""
        if keeper is self.keeper and self.process.is_alive:
            self.inbox.append((kind, what, self.node.boot()))
            if kind != "answered":
                self.thread.poke(self.world.some(_FORK))

    def _receive(self):
        inbox, self.inbox = self.inbox, []
        return inbox

    def _wait(self, until):
        if not self.keeper.process.is_alive:
            until = min(until, max(self._employed + _RESTART, self.node.boot()) + _BEAT)
        self.thread.wait(self.node.moment(until) if until < inf else inf)
