"""The connection from a process to the store: a backend whose answers are late, lost, old or missing."""

from math import inf

from cronguard.system.errors import BackendError

_RETRANSMIT = 3.0  # seconds that the network must be back before a delayed request goes through
_SLOWEST = 20.0
_OLDEST = 30.0  # seconds by which a plain read may be out of date
LATE = 1.0  # seconds: a call that takes longer counts as trouble for its run


class Connection:
    """The backend of one thread of one run. Everything that goes wrong is reported to `run`."""

    def __init__(self, world, run, process, thread):
        self.world, self.run, self.node = world, run, run.node
        self.process, self.thread = process, thread
        self._fresh_from = -inf

    def read(self, key):
        """Return the latest version, or an older one that no wait has ruled out."""
        return self._call(self._look, key)

    def swap(self, entry, data):
        """Publish. The answer may be lost, and the request may arrive long after this process has died."""
        return self._call(self.world.store.swap, entry, data)

    def wait(self, entry, timeout):
        """Wait for another version. Reads after it are fresh."""
        timeline, store = self.world.timeline, self.world.store
        until = timeline.now + self.node.true(timeout)
        while store.version() == entry.version and timeline.now < until:
            store.wait(self.thread)
            self.thread.wait(until)
        self._call(store.version)
        self._fresh_from = timeline.now

    def now(self):
        """Return the store's wall clock."""
        return self.world.store.clock.wall()

    def scan(self, prefix):
        """Not used by any run."""
        raise NotImplementedError

    def close(self):
        """Do nothing: there is nothing to close."""

    def _look(self, key):
        random, now = self.world.random, self.world.timeline.now
        is_old = random.random() < self.world.schedule.weather.old
        moment = max(now - random.random() * _OLDEST, self._fresh_from) if is_old else now
        entry = self.world.store.read(key, moment)
        if entry.version < self.world.store.version():
            self.run.note(f"reads version {entry.version}, which is old")
        return entry

    def _call(self, act, *args):
        call = Call(self, act, args)
        if act == self.world.store.swap:
            self.world.strike(self.run, "sent")
        until = self.world.timeline.now + self._patience()
        while not call.is_over:
            if self.world.timeline.now >= until:
                call.give_up()
                raise BackendError("no answer")
            self.thread.wait(until)
        if call.error:
            raise BackendError(call.error)
        return call.answer

    def _patience(self):
        """Return how long to wait for a call: forever on a hard mount."""
        weather, random = self.world.schedule.weather, self.world.random
        return inf if random.random() < weather.hard else 3.0 + random.random() * 17.0


class Call:
    """A request on its way to the store and back. It continues even if its sender has died."""

    def __init__(self, connection, act, args):
        self.is_over = False
        self.answer = self.error = None
        self._connection, self._act, self._args = connection, act, args
        self._world, self._node = connection.world, connection.node
        self._boot_id = self._node.boot_id
        self._is_dropped = False
        there, self._back = self._trip()
        self._fate = self._draw_fate()
        self._later(there, self._arrive)

    def give_up(self):
        """Stop waiting for the call. It may or may not arrive later."""
        self._trouble("timed out")
        self._is_dropped = self._world.random.random() < 0.5

    def _trip(self):
        weather, random = self._world.schedule.weather, self._world.random
        there, back = random.random() * weather.latency, random.random() * weather.latency
        if random.random() < weather.slow:
            late = random.random() * _SLOWEST
            there, back = (there + late, back) if random.random() < 0.5 else (there, back + late)
        if there + back > LATE:
            self._trouble("slow")
        return there, back

    def _draw_fate(self):
        drawn, weather = self._world.random.random(), self._world.schedule.weather
        for fate, chance in (("lost", weather.lost), ("denied", weather.lost), ("refused", weather.refused)):
            if drawn < chance:
                if fate == "denied" and self._act != self._world.store.swap:
                    return ""  # only a swap can be answered with "you are not the latest"
                self._trouble(fate)
                return fate
            drawn -= chance
        return ""

    def _arrive(self):
        if self._is_held_up(self._arrive):
            return
        if self._fate != "refused":
            self.answer = self._act(*self._args)
        if self._fate == "refused":
            self.error = "refused"
        elif self._fate == "lost":
            self.error = "the reply was lost"
            self._back += self._world.random.random() * 10.0
        elif self._fate == "denied":
            self.answer = None
        self._later(self._back, self._return)

    def _return(self):
        if not self._is_held_up(self._return):
            self.is_over = True
            self._connection.thread.poke()

    def _is_held_up(self, again):
        """Return whether it must try again later. A node that has crashed does not try again."""
        if self._is_dropped or not self._node.is_cut:
            return self._is_dropped
        self._trouble("cut")
        is_kept = self._connection.process.is_alive or self._world.random.random() < 0.5
        if is_kept and (self._node.is_up and self._node.boot_id == self._boot_id):
            wait = self._node.cut_until - self._world.timeline.now
            self._later(wait + 0.001 + self._world.random.random() * _RETRANSMIT, again)
        return True

    def _later(self, seconds, act):
        self._world.timeline.at(self._world.timeline.now + seconds, act)

    def _trouble(self, what):
        self._connection.run.trouble(what)
