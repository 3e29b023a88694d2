"""The command of a run, as a process."""

import signal

_DYING = 0.01  # seconds from SIGKILL to the end
_TERMINATED, _KILLED = 143, 137


class Job:
    """A command that waits to be released. `status` is None until it has ended; then `on_end` is called."""

    def __init__(self, world, node, guard, on_end):
        plan, random = world.schedule.job, world.random
        self.process = node.spawn(guard)
        self.process.job = self
        self.started = self.ended = self.status = None
        self.was_told = False
        self._timeline, self._on_end = world.timeline, on_end
        self._length = random.choice(plan.lengths)
        self._exit = 1 if random.random() < plan.failing else 0
        self._stopping = random.random() * plan.stopping
        self.process.changed.append(self._look)

    @property
    def is_alive(self):
        """True from its release to its end."""
        return self.started is not None and self.ended is None

    def release(self):
        """Let it start, unless it was killed while it waited."""
        if self.ended is not None:
            return
        self.started = self._timeline.now
        self.process.at(self.started + self._length, self._end, self._exit)

    def receive(self, signum):
        """Handle a signal."""
        if signum == signal.SIGTERM:
            self.terminate()
        elif signum == signal.SIGKILL:
            self.kill()

    def terminate(self):
        """Send SIGTERM. The job may take a while to stop, or ignore it."""
        self.was_told = self.was_told or self.ended is None
        self.process.at(self._timeline.now + self._stopping, self._end, _TERMINATED)

    def kill(self):
        """Send SIGKILL."""
        self.was_told = self.was_told or self.ended is None
        self._timeline.at(self._timeline.now + _DYING * (self.started is not None), self._end, _KILLED)

    def _end(self, status):
        if self.ended is None:
            self.status = status
            self.process.end()

    def _look(self):
        if not self.process.is_alive and self.ended is None:
            self.ended = self._timeline.now
            self.status = _KILLED if self.status is None else self.status
            self._on_end()
