"""The store that the simulated nodes share, and each thread's connection to it."""

from collections.abc import Iterator

from cronguard.simulation.node import Node
from cronguard.simulation.virtual_time import Thread
from cronguard.store.contract import Entry
from cronguard.store.memory import MemoryBackend
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError


class Store:
    """The memory backend, and the threads that wait for a change in it."""

    def __init__(self, clock: Clock) -> None:
        self.memory = MemoryBackend(clock)
        self.waiting: list[Thread] = []


class Connection:
    """The backend as seen by a thread of a node: unreachable while the node is cut off."""

    def __init__(self, store: Store, node: Node, thread: Thread | None = None) -> None:
        self._store, self._node, self._thread = store, node, thread

    def read(self, key: str) -> Entry:
        """Return the latest version."""
        return self._reached().read(key)

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Publish the next version, and wake the threads that wait for one."""
        published = self._reached().swap(entry, data)
        waiting, self._store.waiting = self._store.waiting, []
        for thread in waiting:
            thread.wake()
        return published

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Yield the entries below the prefix."""
        return self._reached().scan(prefix)

    def wait(self, entry: Entry, timeout: float) -> None:
        """Let time pass until there is another version. A connection without a thread does not wait."""
        until = self._node.time.now + timeout
        while self._thread and self._node.time.now < until and self._is_latest(entry):
            self._store.waiting.append(self._thread)
            self._thread.sleep_until(until)

    def now(self) -> float | None:
        """Return the store's clock."""
        return self._reached().now()

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _is_latest(self, entry: Entry) -> bool:
        return self._reached().read(entry.key).version == entry.version

    def _reached(self) -> MemoryBackend:
        if self._node.has("cut"):
            raise BackendError("cut off from the store")
        return self._store.memory
