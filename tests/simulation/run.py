"""What became of one run: the facts that the invariants are checked on."""

from math import inf

from cronguard.lease.claim import Skip
from cronguard.lease.grant import Grant


class Run:
    """One start of the crontab's line on one node. Moments are true time."""

    def __init__(self, world, node, ask, head_start=0.0):
        self.world, self.node, self.ask = world, node, ask
        self.head_start = head_start
        self.began = world.timeline.now
        self.job = self.answer = self.word = None
        self.answered_at = self.settling_at = inf
        self.troubles = []  # what went wrong for it from outside, in order
        self.stopped = []  # intervals in which its guard was stopped
        self.helpless = []  # intervals in which its guard and its keeper were both stopped or dead
        self.guard = self._since = None

    @property
    def name(self):
        """How the history calls it."""
        return self.ask.run

    @property
    def grant(self):
        """The right to run that it got, if any."""
        return self.answer if isinstance(self.answer, Grant) else None

    @property
    def skip(self):
        """Why it did not run, if it was told not to."""
        return self.answer if isinstance(self.answer, Skip) else None

    @property
    def is_over(self):
        """True when its guard has ended, however."""
        return not self.guard.process.is_alive

    def note(self, what):
        """Add a line to the history."""
        self.world.note(self.name, what)

    def trouble(self, what):
        """Note that something went wrong, so that this run owes nothing to the liveness of the whole."""
        self.troubles.append((self.world.timeline.now, what))
        self.note(f"trouble: {what}")

    def had_trouble(self, until=inf):
        """Return whether anything went wrong for it before that moment."""
        return bool(self.troubles) and self.troubles[0][0] <= until

    def answered(self, answer):
        """Note how the claim ended."""
        self.answer, self.answered_at = answer, self.world.timeline.now
        self.note(f"gets {answer}")

    def settles(self, word):
        """Note with which word it is about to be settled."""
        self.word, self.settling_at = word, self.world.timeline.now
        self.note(f"settles {word}")

    def watch(self, process):
        """Look from now on whether guard and keeper are stopped together; this is one of the two."""
        process.changed.append(self._look)
        self._look()

    def ran(self):
        """Return the interval in which its job was alive; None if it never was."""
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
