"""The way from one process to the store: a backend whose answers are late, lost, old or not there."""

from math import inf

from cronguard.system.errors import BackendError

_RETRANSMIT = 3.0  # seconds: the network is back for so long before a request that was held up goes through
_SLOWEST = 20.0
_OLDEST = 30.0  # seconds by which a plain read may be out of date
LATE = 1.0  # a call that takes longer than this is trouble for its run


class Connection:
    """The backend of one thread of one run. `run` hears of all that goes wrong."""

    def __init__(self, world, run, process, thread):
        self.world, self.run, self.node = world, run, run.node
        self.process, self.thread = process, thread
        self._fresh_from = -inf

    def read(self, key):
        """Return the latest version, or an older one that has not been ruled out by a wait."""
        return self._call(self._look, key)

    def swap(self, entry, data):
        """Publish; the answer may be lost, the request may arrive long after this process has died."""
        return self._call(self.world.store.swap, entry, data)

    def wait(self, entry, timeout):
        """Wait for another version; then reads are fresh."""
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
        """No run asks for it."""
        raise NotImplementedError

    def close(self):
        """Nothing is kept open."""

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
        """Return for how long a call is waited for: for ever on a hard mount."""
        weather, random = self.world.schedule.weather, self.world.random
        return inf if random.random() < weather.hard else 3.0 + random.random() * 17.0


class Call:
    """A request on its way to the store and back: it travels on when whoever sent it has died."""

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
        """Wait for it no more: it may still arrive, or not."""
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
        """Return whether it must try again later; a node that has crashed tries no more."""
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
