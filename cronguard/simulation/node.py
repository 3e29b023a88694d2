"""A simulated node: its clocks and its failures."""

from cronguard.lease.seen import Sightings
from cronguard.simulation.scenario import Failure
from cronguard.simulation.virtual_time import Thread, VirtualTime
from cronguard.system.clock import Clock

_UPTIME = 30 * 86400.0  # seconds since its first boot: long enough that it does not count as having come back


class NodeClock(Clock):
    """A node's clocks. To sleep, use `ThreadClock`, which knows the sleeping thread."""

    def __init__(self, time: VirtualTime, start: float) -> None:
        self._time, self._start = time, start
        self.booted = time.now - _UPTIME

    def wall(self) -> float:
        """Return the seconds since 1970."""
        return self._start + self._time.now

    def boot(self) -> float:
        """Return the seconds since its boot."""
        return self._time.now - self.booted


class ThreadClock(Clock):
    """A node's clocks for one thread, which can sleep."""

    def __init__(self, clock: NodeClock, time: VirtualTime, thread: Thread) -> None:
        self._clock, self._time, self._thread = clock, time, thread

    def wall(self) -> float:
        """Return the seconds since 1970."""
        return self._clock.wall()

    def boot(self) -> float:
        """Return the seconds since the node's boot."""
        return self._clock.boot()

    def sleep(self, seconds: float) -> None:
        """Sleep in virtual time."""
        self._thread.sleep_until(self._time.now + max(0.0, seconds))


class Node:
    """A server. `threads` are the threads of current runs; `failures` are the failures of this node."""

    def __init__(self, name: str, time: VirtualTime, start: float, failures: tuple[Failure, ...]) -> None:
        self.name, self.time = name, time
        self.clock = NodeClock(time, start)
        self.threads: list[Thread] = []
        self._failures = failures
        self._boots = 1
        self.sightings = self._no_sightings()

    @property
    def boot_id(self) -> str:
        """An identifier of the current boot."""
        return f"{self.name}-{self._boots}"

    def has(self, kind: str) -> bool:
        """Return whether the node has this kind of failure now."""
        return any(failure.kind == kind and failure.holds(self.time.now) for failure in self._failures)

    def die(self) -> None:
        """End everything that runs here."""
        threads, self.threads = self.threads, []
        for thread in threads:
            thread.end()

    def boot(self) -> None:
        """Start the node again, with a new boot clock."""
        if not self.has("dead"):
            self._boots += 1
            self.clock.booted = self.time.now
            self.sightings = self._no_sightings()

    def _no_sightings(self) -> Sightings:
        return Sightings(None, "memory", self.boot_id, self.clock)
