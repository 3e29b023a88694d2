"""The store that the simulated nodes share, and everything that was ever published in it."""

from functools import lru_cache
from typing import NamedTuple

from cronguard.model import record
from cronguard.store.contract import Entry
from cronguard.store.memory import MemoryBackend

EPOCH = 1_795_305_600.0  # a whole minute: what a correct clock shows at true time 0
_NOTICED = 1.0  # seconds within which a waiting thread notices a change: the longest polling interval


@lru_cache(512)
def _decoded(data):
    return record.decode(data, "the store")


def decode(data, where):
    """Decode a record as cronguard does, but only once: the function is pure, and all nodes read the same bytes."""
    return _decoded(data)


class Published(NamedTuple):
    """A version of the job's record, and when it was published, in true time and by the store's clock."""

    at: float
    stored: float
    entry: Entry
    record: record.Record


class StoreClock:
    """The store's clock, which may be set at any time."""

    def __init__(self, timeline):
        self._timeline = timeline
        self.offset = 0.0

    def wall(self):
        """Return the seconds since 1970 by the store's clock."""
        return EPOCH + self._timeline.now + self.offset


class Store:
    """The memory backend, its history, and the threads that wait for a change."""

    def __init__(self, timeline, random, tells_age, compares):
        self.clock = StoreClock(timeline)
        self.past = []
        self._timeline, self._random, self._tells_age = timeline, random, tells_age
        self._compares = compares
        self._memory = MemoryBackend(self.clock)
        self.side = MemoryBackend(self.clock)  # the strategies' entries, whose history is not checked
        self._waiting = []

    def swap(self, entry, data):
        """Publish the next version if `entry` is the latest, and record it if it belongs to the job's lease."""
        if not entry.key.startswith("lease/"):
            return self.side.swap(entry, data)
        published = self._memory.swap(entry if self._compares else self._memory.read(entry.key), data)
        if published:
            self.past.append(
                Published(self._timeline.now, self.clock.wall(), published, decode(data, "past"))
            )
            for thread in self._waiting:
                thread.poke(self._random.random() * _NOTICED)
            self._waiting = []
        return published

    def read(self, key, moment):
        """Return the version that was the latest at a past time; for the strategies' entries, the current one."""
        if not key.startswith("lease/"):
            return self.side.read(key)
        for known in reversed(self.past):
            if known.at <= moment:
                age = self.clock.wall() - known.stored if self._tells_age else None
                return known.entry._replace(age=age)
        return Entry(key, 0, b"")

    def version(self):
        """Return the number of the latest version."""
        return len(self.past)

    def wait(self, thread):
        """Poke the thread soon after the next change."""
        self._waiting.append(thread)
