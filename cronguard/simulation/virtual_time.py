"""Virtual time, and threads that sleep in it: one runs at a time, so that the same course is taken each time."""

import threading
from collections.abc import Callable
from heapq import heappop, heappush

from cronguard.system.errors import UsageError

# What happens, and looks at other nodes' beats: a minute's work or two. A job of a year is renewed millions of times.
_MOST_STEPS = 100_000
_LATE = 0.001  # seconds: no timer is early, and who waits for a moment must find that it has come


class Ended(BaseException):
    """A thread was ended from outside; no error of the program, so nothing but the thread may catch it."""


class VirtualTime:
    """Seconds from the first tick on, and what is to happen when; of two things at one moment, the one planned first."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._steps = 0

    def at(self, moment: float, act: Callable[[], None]) -> None:
        """Plan an act for a moment; one that has passed means now."""
        self._number += 1
        heappush(self._plans, (max(moment, self.now), self._number, act))

    def run(self) -> None:
        """Let everything happen, until nothing more is to happen; raises UsageError when that takes too long."""
        while self._plans:
            self.spend(1)
            self.now, _, act = heappop(self._plans)
            act()

    def spend(self, steps: int) -> None:
        """Count work that is done; raises UsageError when it is too much."""
        self._steps += steps
        if self._steps > _MOST_STEPS:
            raise UsageError(
                "this takes too long to simulate",
                "give it a shorter --length, --duration, --wait or --failback-after, or fewer beats and nodes",
            )


class Thread:
    """Work that sleeps in virtual time. It is the system's thread, but runs only while time waits for it."""

    def __init__(self, time: VirtualTime, work: Callable[[], None]) -> None:
        self._time, self._work = time, work
        self._mine, self._times = threading.Semaphore(0), threading.Semaphore(0)
        self._sleeps = 0
        self._is_ended = self._is_over = False
        self._error: BaseException | None = None
        threading.Thread(target=self._live, daemon=True).start()
        time.at(time.now, self._go_on)

    def sleep_until(self, moment: float) -> None:
        """Let time go on to that moment, or until woken; for the thread itself."""
        self._sleeps += 1
        self._plan(moment + _LATE)
        self._times.release()
        self._mine.acquire()
        if self._is_ended:
            raise Ended

    def wake(self) -> None:
        """End the sleep that it is in now."""
        self._plan(self._time.now)

    def end(self) -> None:
        """Let it do nothing more; for others than the thread itself."""
        if not self._is_over:
            self._is_ended = True
            self._go_on()

    def _plan(self, moment: float) -> None:
        sleep = self._sleeps
        self._time.at(moment, lambda: self._go_on() if sleep == self._sleeps else None)

    def _go_on(self) -> None:
        if self._is_over:
            return
        self._mine.release()
        self._times.acquire()
        if self._error:
            raise self._error

    def _live(self) -> None:
        self._mine.acquire()
        try:
            if not self._is_ended:
                self._work()
        except Ended:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again where time goes on
            self._error = error
        self._is_over = True
        self._times.release()
