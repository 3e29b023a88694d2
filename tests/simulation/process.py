"""Processes that can be stopped, continued and killed at any time. Their threads are coroutines."""

from math import inf


class Process:
    """A process of a node. The functions in `changed` are called after it was stopped, was continued or has ended."""

    def __init__(self, timeline):
        self.timeline = timeline
        self.is_alive = True
        self.stopped = self.continued = -inf
        self.changed = []
        self._stops = 0
        self._late = []

    @property
    def is_running(self):
        """True if it is neither stopped nor dead."""
        return self.is_alive and not self._stops

    def at(self, moment, act, *args):
        """Plan an act of this process. It is delayed while the process is stopped, and dropped if it is dead."""
        self.timeline.at(moment, self._do, act, args)

    def stop(self):
        """Send SIGSTOP. A process that was stopped twice must be continued twice."""
        self._stops += 1
        if self._stops == 1:
            self.stopped = self.timeline.now
        self._tell()

    def go_on(self):
        """Send SIGCONT. The process now does everything that was delayed."""
        self._stops -= 1
        if self.is_running:
            self.continued = self.timeline.now
            late, self._late = self._late, []
            for act, args in late:
                self.timeline.at(0.0, self._do, act, args)
        self._tell()

    def end(self):
        """End the process, by SIGKILL or by itself: it does nothing more."""
        if self.is_alive:
            self.is_alive = False
            self._late = []
            self._tell()

    def _do(self, act, args):
        if self._stops and self.is_alive:
            self._late.append((act, args))
        elif self.is_alive:
            act(*args)

    def _tell(self):
        for act in self.changed:
            act()


class Thread:
    """A thread of a process, which starts after `delay` seconds. Only the thread may call its methods, except `poke`."""

    def __init__(self, process, work, delay):
        self._process = process
        self._timeline = process.timeline
        self._greenlet = self._timeline.thread(work)
        self._turn = 0
        self._is_waiting = self._is_poked = False
        process.at(self._timeline.now + delay, self._greenlet.switch)

    def sleep(self, seconds):
        """Sleep for this many seconds of true time."""
        self._pause(self._timeline.now + seconds)

    def wait(self, until):
        """Return when poked, or at the true time `until`; at once if poked since the last wait."""
        if not self._is_poked:
            self._is_waiting = True
            self._pause(until)
        self._is_waiting = self._is_poked = False

    def poke(self, delay=0.0):
        """Wake the thread from a wait, or make its next wait return at once."""
        self._process.at(self._timeline.now + delay, self._be_poked)

    def _pause(self, until):
        self._turn += 1
        if until < inf:
            self._process.at(until, self._resume, self._turn)
        self._timeline.hub.switch()

    def _be_poked(self):
        self._is_poked = True
        if self._is_waiting:
            self._resume(self._turn)

    def _resume(self, turn):
        if turn == self._turn:
            self._turn += 1
            self._is_waiting = False
            self._greenlet.switch()
