"""Virtual time."""

from heapq import heappop, heappush

from greenlet import getcurrent, greenlet


class Timeline:
    """True time, and the planned acts. Acts for the same time happen in the order of planning."""

    def __init__(self):
        self.now = 0.0
        self.hub = getcurrent()  # threads switch back to it
        self._plans = []
        self._threads = []
        self._number = 0

    def at(self, moment, act, *args):
        """Plan an act for a time; a time in the past means now."""
        self._number += 1
        heappush(self._plans, (max(moment, self.now), self._number, act, args))

    def thread(self, work):
        """Return a coroutine that switches back to the hub; it ends when the timeline does."""
        self._threads.append(greenlet(work, parent=self.hub))
        return self._threads[-1]

    def run(self, until):
        """Run all planned acts up to `until`, where the timeline ends."""
        plans = self._plans
        while plans and plans[0][0] <= until:
            self.now, _, act, args = heappop(plans)
            act(*args)
        self.now = until
        self._end_threads()

    def _end_threads(self):
        # The garbage collector cannot see into a suspended coroutine, which would keep the whole world in memory.
        for thread in self._threads:
            if thread:
                thread.throw()
