"""What happened to one run: the facts on which the invariants are checked."""

from math import inf

from cronguard.lease.claim import Skip
from cronguard.lease.grant import Grant


class Run:
    """One start of the crontab line on one node. All times are true time."""

    def __init__(self, world, node, ask, head_start=0.0):
        self.world, self.node, self.ask = world, node, ask
        self.head_start = head_start
        self.began = world.timeline.now
        self.job = self.answer = self.word = None
        self.answered_at = self.settling_at = inf
        self.troubles = []  # external faults that affected it, in order
        self.stopped = []  # intervals in which its guard was stopped
        self.helpless = []  # intervals in which both its guard and its keeper were stopped or dead
        self.guard = self._since = None

    @property
    def name(self):
        """Its name in the history."""
        return self.ask.run

    @property
    def grant(self):
        """The lease that it got, if any."""
        return self.answer if isinstance(self.answer, Grant) else None

    @property
    def skip(self):
        """Why it was skipped, if it was."""
        return self.answer if isinstance(self.answer, Skip) else None

    @property
    def is_over(self):
        """True when its guard has ended, for whatever reason."""
        return not self.guard.process.is_alive

    def note(self, what):
        """Add a line to the history."""
        self.world.note(self.name, what)

    def trouble(self, what):
        """Note that something went wrong for this run, so that the liveness invariants do not apply to it."""
        self.troubles.append((self.world.timeline.now, what))
        self.note(f"trouble: {what}")

    def had_trouble(self, until=inf):
        """Return whether anything went wrong for it until that time."""
        return bool(self.troubles) and self.troubles[0][0] <= until

    def answered(self, answer):
        """Note how the claim ended."""
        self.answer, self.answered_at = answer, self.world.timeline.now
        self.note(f"gets {answer}")

    def settles(self, word):
        """Note the word with which it is about to be settled."""
        self.word, self.settling_at = word, self.world.timeline.now
        self.note(f"settles {word}")

    def watch(self, process):
        """Record from now on when guard and keeper are stopped together; `process` is one of them."""
        process.changed.append(self._look)
        self._look()

    def ran(self):
        """Return the interval in which its job was alive; None if it never started."""
        if self.job is None or self.job.started is None:
            return None
        return self.job.started, self.job.ended if self.job.ended is not None else inf

    def _look(self):
        now, guard = self.world.timeline.now, self.guard.process
        is_open = bool(self.stopped) and self.stopped[-1][1] == inf
        if guard.is_alive and not guard.is_running and not is_open:
            self.stopped.append((now, inf))
        elif guard.is_running and is_open:
            self.stopped[-1] = (self.stopped[-1][0], now)
        keeper = self.guard.keeper
        is_helpless = not (self.guard.process.is_running or (keeper and keeper.process.is_running))
        if is_helpless and self._since is None:
            self._since = now
            self.helpless.append((now, inf))
        elif not is_helpless and self._since is not None:
            self.helpless[-1] = (self._since, now)
            self._since = None
