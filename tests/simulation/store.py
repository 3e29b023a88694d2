"""The store where the simulated nodes meet, and all that was ever published in it."""

from functools import lru_cache
from typing import NamedTuple

from cronguard.model import record
from cronguard.store.contract import Entry
from cronguard.store.memory import MemoryBackend

EPOCH = 1_795_305_600.0  # a whole minute; true time 0 on a right clock
_NOTICED = 1.0  # seconds within which one who waits sees a change: the longest pause of polling


@lru_cache(512)
def _decoded(data):
    return record.decode(data, "the store")


def decode(data, where):
    """Decode as the project does, once for all nodes: the function is pure, and they read the same bytes."""
    return _decoded(data)


class Published(NamedTuple):
    """A version of the job's record: when it was published, by true time and by the store's clock."""

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
        """Seconds since 1970, as the store believes."""
        return EPOCH + self._timeline.now + self.offset


class Store:
    """The memory backend, with its past, and with those who wait for a change."""

    def __init__(self, timeline, random, tells_age, compares):
        self.clock = StoreClock(timeline)
        self.past = []
        self._timeline, self._random, self._tells_age = timeline, random, tells_age
        self._compares = compares
        self._memory = MemoryBackend(self.clock)
        self.side = MemoryBackend(self.clock)  # what the strategies keep: it has no past to be checked
        self._waiting = []

    def swap(self, entry, data):
        """Publish the next version if `entry` is the latest, and note it if it is of the job's lease."""
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
        """Return what was the latest at a moment that has passed; of the strategies' entries, the latest."""
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
