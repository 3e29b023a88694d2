"""The reference backend: the contract in its simplest form, for tests and simulation."""

import threading
from collections.abc import Iterator

from cronguard.store.contract import Entry, check_data, check_key
from cronguard.system.clock import Clock


class MemoryBackend:
    """Entries in a dictionary, shared by the threads of one process."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._changed = threading.Condition()
        self._latest: dict[str, tuple[int, bytes, float]] = {}

    def read(self, key: str) -> Entry:
        """Return the latest version."""
        with self._changed:
            return self._entry(check_key(key))

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Publish the next version if `entry` is the latest."""
        check_data(data)
        with self._changed:
            if self._entry(check_key(entry.key)).version != entry.version:
                return None
            self._latest[entry.key] = (entry.version + 1, data, self._clock.wall())
            self._changed.notify_all()
            return Entry(entry.key, entry.version + 1, data, 0.0)

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Yield the entries below the prefix, in the order of their keys."""
        with self._changed:
            entries = [self._entry(key) for key in sorted(self._latest) if key.startswith(prefix)]
        yield from entries

    def wait(self, entry: Entry, timeout: float) -> None:
        """Wait for a version other than the entry's."""
        with self._changed:
            self._changed.wait_for(lambda: self._entry(entry.key).version != entry.version, timeout)

    def now(self) -> float | None:
        """Return the clock's wall time."""
        return self._clock.wall()

    def close(self) -> None:
        """Keep the entries: other nodes may still use them."""

    def _entry(self, key: str) -> Entry:
        version, data, published = self._latest.get(key, (0, b"", 0.0))
        return Entry(key, version, data, self._clock.wall() - published if version else None)
