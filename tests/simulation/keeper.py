"""A keeper on virtual time: cronguard's own keeper and watchdog, on two threads of a simulated process."""

from cronguard.advice.advice import Advice
from cronguard.lease.grant import Grant
from cronguard.run import keeper, watchdog
from cronguard.run.keeper import HEARD
from cronguard.turns.turn import Turn

from .connection import Connection
from .kernel import Kernel
from .link import Link
from .node import ThreadClock
from .process import Thread

_FORK = 0.05  # seconds at most to fork


class KeeperProcess:
    """What the guard has of a keeper, as `cronguard/run/keeper_process.py`."""

    def __init__(self, guard, errand):
        world, self._guard = guard.world, guard
        self.process = guard.node.spawn(guard.process)
        self.pid = self.process.pid
        self.link, theirs = Link.pair(world, guard.process, self.process)
        self.link.read_by(guard.thread)
        delay = world.some(_FORK)
        self._keeper = None
        self.thread = Thread(self.process, self._live, delay)
        self.watch = Thread(self.process, self._watch, delay)
        theirs.read_by(self.watch)
        self._keeper = Keeper(guard, self, errand, theirs)
        self.process.changed.append(self._on_change)

    def receive(self):
        """Return the messages that have arrived."""
        return self.link.receive()

    def is_alive(self):
        """Return whether it is still running."""
        return self.process.is_alive

    def kill(self):
        """Send SIGKILL."""
        self.process.end()

    def end(self):
        """Kill it, and close the link."""
        self.process.end()
        self.link.close()
        return True

    def lease(self):
        """Return its lease, once it has one."""
        return getattr(self._keeper, "_lease", None)

    def _live(self):
        self._keeper.work()
        self.process.end()

    def _watch(self):
        self._keeper.watch()
        self.process.end()

    def _on_change(self):
        if not self.process.is_alive and not self._guard.process.is_alive and self._guard.job:
            self._guard.job.kill()  # the kernel has done that, see Guard
        if self.process.continued == self.process.timeline.now:
            self._keeper.has_woken()


class Keeper(keeper.Keeper):
    """The real one, with a simulated store, and without the gate before it."""

    def __init__(self, guard, owner, errand, link):
        self.world, self.guard, self.owner = guard.world, guard, owner
        node = guard.node
        self._errand, self._link, self._clock = errand, link, ThreadClock(node, owner.thread)
        self._orders = Mailbox(self._clock, owner.thread)
        self._gate, self._advice = NoGate(), None
        kernel = Kernel(node, owner.process, guard.run)
        clock = ThreadClock(node, owner.watch)
        self._watchdog = Watchdog(guard, link, clock, errand, guard.row, self._orders.put, kernel)

    def watch(self):
        """Be the watchdog."""
        self._watchdog.run()

    def has_woken(self):
        """After a stop, the other thread may look first: the guard seems silent, though its messages are there."""
        self._watchdog.has_just_woken = self.world.random.random() < 0.5
        self.owner.watch.poke()

    def _open(self):
        if self._errand.is_resumed:
            self.world.strike(self.guard.run, "resuming")
        return Connection(self.world, self.guard.run, self.owner.process, self.owner.thread)

    def _make_lease(self, backend):
        timeout = self._errand.backend_timeout
        sightings = NotedSightings(
            self.world.rules.sightings(self.world, self.guard.node, self._clock), self.guard.node
        )
        return self.world.rules.lease(
            backend, self._errand.ask, self._clock, sightings, self._answered, min(5.0, timeout / 6),
            self._strategy(backend), HEARD * timeout,
        )  # fmt: skip

    def _strategy(self, backend):
        """Return cronguard's real advice, or a fixed head start for schedules without a strategy."""
        strategy, ask = self.world.schedule.strategy, self._errand.ask
        if strategy is None:
            return lambda record, verdict: Turn(self.guard.run.head_start, "a head start for others")
        named = strategy._replace(me=self.guard.node.name, number=ask.tick.epoch // 60)
        self._advice = Advice(backend, ask, named, self._clock, self._answered)
        return self._advice

    def _tell(self, answer):
        super()._tell(answer)
        if isinstance(answer, Grant):
            self.owner.watch.poke()  # it looks at its deadline four times a second

    def _count(self, kind, word):
        """Count nothing."""


class Watchdog(watchdog.Watchdog):
    """The real one. The guard's signs of life, two a second, are not sent one by one."""

    def __init__(self, guard, *arguments):
        self._sim_guard, self._noted, self.has_just_woken = guard, 0.0, False
        super().__init__(*arguments)

    @property
    def _heard(self):
        return self._noted if self.has_just_woken else max(self._noted, self._sim_guard.last_beat())

    @_heard.setter
    def _heard(self, moment):
        self._noted = moment

    def _watch_once(self):
        super()._watch_once()
        self.has_just_woken = False


class Mailbox:
    """Where one thread leaves a message for another."""

    def __init__(self, clock, thread):
        self._clock, self._thread, self._message = clock, thread, None

    def put(self, message):
        """Leave the message."""
        self._message = message
        self._thread.poke()

    def take(self, timeout):
        """Return the message, waiting at most `timeout` seconds for it."""
        until = self._clock.boot() + timeout
        while self._message is None and self._clock.boot() < until:
            self._clock.wait((), until, timeout)
        return self._message


class NoGate:
    """Nothing in the way."""

    def leave(self):
        """Do nothing."""


class NotedSightings:
    """A node's sightings. The true time of each first sighting is recorded for the invariants."""

    def __init__(self, sightings, node):
        self._sightings, self._node = sightings, node

    def unchanged(self, key, version, identity, *, is_fresh=True):
        """Return the answer of the real sightings."""
        self._node.seen.setdefault(version, self._node.timeline.now)
        return self._sightings.unchanged(key, version, identity, is_fresh=is_fresh)
