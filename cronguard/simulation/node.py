"""A simulated node: its clocks, what has failed on it, and its way to the store."""

from collections.abc import Iterator

from cronguard.backend import Entry
from cronguard.backends.memory import MemoryBackend
from cronguard.clock import Clock
from cronguard.errors import BackendError
from cronguard.seen import Sightings
from cronguard.simulation.scenario import Failure
from cronguard.simulation.virtual_time import Thread, VirtualTime

_UPTIME = (
    30 * 86400.0
)  # seconds since its first boot when all begins: nobody takes it for one that has just come back


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


class Node:
    """A server. `threads` are those of the runs that go on; `failures` only its own."""

    def __init__(self, name: str, time: VirtualTime, start: float, failures: tuple[Failure, ...]) -> None:
        self.name, self.time = name, time
        self.clock = NodeClock(time, start)
        self.threads: set[Thread] = set()
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
        for thread in list(self.threads):
            thread.end()

    def boot(self) -> None:
        """Come back, with a boot clock that begins anew."""
        if not self.has("dead"):
            self._boots += 1
            self.clock.booted = self.time.now
            self.sightings = self._no_sightings()

    def _no_sightings(self) -> Sightings:
        return Sightings(None, "memory", self.boot_id, self.clock)


class Store:
    """The memory backend, and who waits for a change in it."""

    def __init__(self, clock: Clock) -> None:
        self.memory = MemoryBackend(clock)
        self.waiting: list[Thread] = []


class ThreadClock(Clock):
    """A node's clocks as one thread has them."""

    def __init__(self, clock: NodeClock, time: VirtualTime, thread: Thread) -> None:
        self._time, self._thread = time, thread
        self.wall, self.boot = clock.wall, clock.boot  # type: ignore[method-assign] # the very same

    def sleep(self, seconds: float) -> None:
        """Let time go by."""
        self._thread.sleep_until(self._time.now + max(0.0, seconds))


class Connection:
    """The backend as a thread of a node has it: out of reach while the node is cut off."""

    def __init__(self, store: Store, node: Node, thread: Thread | None = None) -> None:
        self._store, self._node, self._thread = store, node, thread

    def read(self, key: str) -> Entry:
        """Return the latest version."""
        return self._reached().read(key)

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Publish the next version, and wake who waits for one."""
        published = self._reached().swap(entry, data)
        waiting, self._store.waiting = self._store.waiting, []
        for thread in waiting:
            thread.wake()
        return published

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Yield the entries below the prefix."""
        return self._reached().scan(prefix)

    def wait(self, entry: Entry, timeout: float) -> None:
        """Let time go by until there is another version; who does not wait needs no thread."""
        until = self._node.time.now + timeout
        while self._thread and self._node.time.now < until and self._is_latest(entry):
            self._store.waiting.append(self._thread)
            self._thread.sleep_until(until)

    def now(self) -> float | None:
        """Return the store's clock."""
        return self._reached().now()

    def close(self) -> None:
        """Nothing is kept open."""

    def _is_latest(self, entry: Entry) -> bool:
        return self._reached().read(entry.key).version == entry.version

    def _reached(self) -> MemoryBackend:
        if self._node.has("cut"):
            raise BackendError("cut off from the store")
        return self._store.memory
