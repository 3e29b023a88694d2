"""Stand-ins for clocks, storage and runs in the unit tests."""

from cronguard.lease.claim import Ask
from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings
from cronguard.model.job import Job
from cronguard.model.record import Record, decode, encode
from cronguard.model.tick import Tick
from cronguard.model.timing import Timing
from cronguard.store.memory import MemoryBackend
from cronguard.system.errors import BackendError
from cronguard.turns.turn import Turn

TICK = Tick.parse("2026-11-22T05:30Z")
EARLIER = Tick(TICK.epoch - 60)
LATER = Tick(TICK.epoch + 60)
JOB = Job("billing", "invoices")
TTL = 30.0
TAKEOVER = 31.0  # TTL and its margin of a second
RUN_FOR = 24.0  # TTL less kill_after (ttl/6) and a second


class FakeClock:
    """A clock that only the test and calls of `sleep` advance."""

    def __init__(self, wall=TICK.epoch + 2.0, boot=1000.0):
        self.now_wall, self.now_boot = wall, boot

    def wall(self):
        return self.now_wall

    def boot(self):
        return self.now_boot

    def sleep(self, seconds):
        self.advance(max(0.0, seconds))

    def advance(self, seconds):
        self.now_wall += seconds
        self.now_boot += seconds


class Store:
    """A memory backend whose waiting advances the fake clock, with hooks for things that can go wrong.

    `script` is called at each wait with the number of the wait. `during_swap` and `after_swap` are called at each swap,
    before and after it takes effect. `listing`, if set, is what a plain read shows.
    """

    def __init__(self, clock):
        self.clock = clock
        self.inner = MemoryBackend(clock)
        self.waits = 0
        self.script = lambda number: None
        self.during_swap = lambda: None
        self.after_swap = lambda published: published
        self.listing = None
        self.is_fresh = False
        self.time = clock.wall
        self.writes = 0

    def read(self, key):
        if self.listing is not None and not self.is_fresh:
            return self.listing
        return self.inner.read(key)

    def swap(self, entry, data):
        self.writes += 1
        self.during_swap()
        return self.after_swap(self.inner.swap(entry, data))

    def wait(self, entry, timeout):
        self.is_fresh = True
        before = self.inner.read(entry.key).version
        self.waits += 1
        if timeout > 0:
            self.script(self.waits)
            if self.inner.read(entry.key).version == before:
                self.clock.advance(timeout)

    def scan(self, prefix):
        return self.inner.scan(prefix)

    def now(self):
        return self.time()

    def close(self):
        pass

    def record(self):
        """Return the record that is published now."""
        return decode(self.inner.read(JOB.key).data, "here")

    def publish(self, record):
        """Publish a record, regardless of who holds the lease."""
        return self.inner.swap(self.inner.read(JOB.key), encode(record) if record else b"")


class Once:
    """A hook that does something only the first time."""

    def __init__(self, act, otherwise=None):
        self.act, self.otherwise, self.is_spent = act, otherwise, False

    def __call__(self, *args):
        if self.is_spent:
            return self.otherwise(*args) if self.otherwise else args[0] if args else None
        self.is_spent = True
        return self.act(*args)


def fail(*args):
    raise BackendError("the reply was lost")


def ask(**changes):
    """Return the request of a run on web1 that started a moment ago."""
    facts = {
        "job": JOB,
        "tick": TICK,
        "run": "run-a",
        "node": "web1",
        "boot": "boot-1",
        "pid": 11,
        "user": "app",
        "program": "invoice",
        "timing": Timing.of(TTL, None),
        "started": 999.0,
    }
    return Ask(**{**facts, **changes})


def record(**changes):
    """Return the record of a lease that web2 holds for TICK."""
    facts = {
        "job": str(JOB),
        "state": "running",
        "run": "run-b",
        "beat": 1,
        "token": 7,
        "tick": TICK,
        "latest": TICK,
        "attempt": 1,
        "node": "web2",
        "boot": "boot-2",
        "pid": 22,
        "user": "app",
        "program": "invoice",
        "ttl": TTL,
        "started": TICK.epoch + 1.0,
        "renewed": TICK.epoch + 1.0,
    }
    if "tick" in changes:
        facts["latest"] = changes["tick"]
    return Record(**{**facts, **changes})


def ended(state="done", **changes):
    """Return the record of a lease that web2 held and that has ended."""
    over = {"ended": TICK.epoch + 2.0, "ended_boot": 500.0, "status": 0 if state == "done" else 1}
    return record(state=state, **{**over, **changes})


def lease(store, state=None, **changes):
    """Return one run's side of the lease; `state` holds what its node has seen before."""
    advise = changes.pop("advise", advised(0.0))
    asking = changes.pop("asking", None) or ask(**changes)
    sightings = Sightings(state, "memory", asking.boot, store.clock)
    return Lease(store, asking, store.clock, sightings, advise=advise)


def advised(head_start, reason="for the test", word="not-its-turn"):
    """Return a strategy that always gives the same answer."""
    return lambda record, verdict: Turn(head_start, reason, word)
