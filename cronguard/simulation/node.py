"""A simulated node: its clocks, and what has failed on it."""

from cronguard.lease.seen import Sightings
from cronguard.simulation.scenario import Failure
from cronguard.simulation.virtual_time import Thread, VirtualTime
from cronguard.system.clock import Clock

_UPTIME = 30 * 86400.0  # seconds since its first boot: nobody takes it for one that has just come back


class NodeClock(Clock):
    """A node's clocks. Who sleeps by it must give the thread that sleeps."""

    def __init__(self, time: VirtualTime, start: float) -> None:
        self._time, self._start = time, start
        self.booted = time.now - _UPTIME

    def wall(self) -> float:
        """Seconds since 1970."""
        return self._start + self._time.now

    def boot(self) -> float:
        """Seconds since its boot."""
        return self._time.now - self.booted


class ThreadClock(Clock):
    """A node's clocks as one thread has them."""

    def __init__(self, clock: NodeClock, time: VirtualTime, thread: Thread) -> None:
        self._clock, self._time, self._thread = clock, time, thread

    def wall(self) -> float:
        """Seconds since 1970."""
        return self._clock.wall()

    def boot(self) -> float:
        """Seconds since the node's boot."""
        return self._clock.boot()

    def sleep(self, seconds: float) -> None:
        """Let time go by."""
        self._thread.sleep_until(self._time.now + max(0.0, seconds))


class Node:
    """A server. `threads` are those of the runs that go on; `failures` only its own."""

    def __init__(self, name: str, time: VirtualTime, start: float, failures: tuple[Failure, ...]) -> None:
        self.name, self.time = name, time
        self.clock = NodeClock(time, start)
        self.threads: list[Thread] = []
        self._failures = failures
        self._boots = 1
        self.sightings = self._no_sightings()

    @property
    def boot_id(self) -> str:
        """Which boot this is."""
        return f"{self.name}-{self._boots}"

    def has(self, kind: str) -> bool:
        """Return whether this kind of failure is there now."""
        return any(failure.kind == kind and failure.holds(self.time.now) for failure in self._failures)

    def die(self) -> None:
        """End all that runs here."""
        threads, self.threads = self.threads, []
        for thread in threads:
            thread.end()

    def boot(self) -> None:
        """Come back, with a boot clock that begins anew."""
        if not self.has("dead"):
            self._boots += 1
            self.clock.booted = self.time.now
            self.sightings = self._no_sightings()

    def _no_sightings(self) -> Sightings:
        return Sightings(None, "memory", self.boot_id, self.clock)
