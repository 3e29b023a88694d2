"""Virtual time."""

from heapq import heappop, heappush

from greenlet import getcurrent, greenlet


class Timeline:
    """True time, and what is to happen when; of two things at one moment, the one planned first."""

    def __init__(self):
        self.now = 0.0
        self.hub = getcurrent()  # threads give the word back to it
        self._plans = []
        self._threads = []
        self._number = 0

    def at(self, moment, act, *args):
        """Plan an act for a moment; one that has passed means now."""
        self._number += 1
        heappush(self._plans, (max(moment, self.now), self._number, act, args))

    def thread(self, work):
        """Return a coroutine that gives the word back to us; it ends when time does."""
        self._threads.append(greenlet(work, parent=self.hub))
        return self._threads[-1]

    def run(self, until):
        """Let everything happen up to that moment, which is the end of time."""
        plans = self._plans
        while plans and plans[0][0] <= until:
            self.now, _, act, args = heappop(plans)
            act(*args)
        self.now = until
        self._end_threads()

    def _end_threads(self):
        # The garbage collector does not see into a suspended coroutine: it would keep the whole world in memory.
        for thread in self._threads:
            if thread:
                thread.throw()
