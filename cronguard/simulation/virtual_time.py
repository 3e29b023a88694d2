"""Virtual time, and threads that sleep in it. Only one runs at a time, so each simulation takes the same course."""

import threading
from collections.abc import Callable
from heapq import heappop, heappush

from cronguard.system.errors import UsageError

# Events, and reads of other nodes' heartbeats: a minute or two of work. A job of a year has millions of renewals.
_MOST_STEPS = 100_000
_LATE = (
    0.001  # seconds: timers are never early, and a thread that waits for a time must find that it has come
)


class Ended(BaseException):
    """A thread was ended from outside. This is not a program error, so only the thread itself may catch it."""


class VirtualTime:
    """Seconds since the first tick, and the planned acts. Acts for the same time happen in the order of planning."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._plans: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._steps = 0

    def at(self, moment: float, act: Callable[[], None]) -> None:
        """Plan an act for a time; a time in the past means now."""
        self._number += 1
        heappush(self._plans, (max(moment, self.now), self._number, act))

    def run(self) -> None:
        """Run all planned acts until none is left; raises UsageError if that takes too long."""
        while self._plans:
            self.spend(1)
            self.now, _, act = heappop(self._plans)
            act()

    def spend(self, steps: int) -> None:
        """Count steps of work; raises UsageError if they become too many."""
        self._steps += steps
        if self._steps > _MOST_STEPS:
            raise UsageError(
                "this takes too long to simulate",
                "use a shorter --length, --duration, --wait or --failback-after, or fewer heartbeats and nodes",
            )


class Thread:
    """Work that sleeps in virtual time. It is a real thread, but runs only while virtual time waits for it."""

    def __init__(self, time: VirtualTime, work: Callable[[], None]) -> None:
        self._time, self._work = time, work
        self._mine, self._times = threading.Semaphore(0), threading.Semaphore(0)
        self._sleeps = 0
        self._is_ended = self._is_over = False
        self._error: BaseException | None = None
        threading.Thread(target=self._live, daemon=True).start()
        time.at(time.now, self._go_on)

    def sleep_until(self, moment: float) -> None:
        """Sleep until a time, or until woken. Only the thread itself may call this."""
        self._sleeps += 1
        self._plan(moment + _LATE)
        self._times.release()
        self._mine.acquire()
        if self._is_ended:
            raise Ended

    def wake(self) -> None:
        """End the thread's current sleep."""
        self._plan(self._time.now)

    def end(self) -> None:
        """End the thread. The thread itself must not call this."""
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
        except BaseException as error:  # noqa: BLE001 - raised again in `_go_on`
            self._error = error
        self._is_over = True
        self._times.release()
