"""Nodes: their clocks, their processes, and their few files."""

from math import inf

from .process import Process
from .store import EPOCH


class Node:
    """A server. `plan` determines how its clocks run; each boot has its own boot clock."""

    def __init__(self, world, plan, number):
        self.name = f"node{number}"
        self.timeline = world.timeline
        self.is_up = self.is_stopped = False
        self.state = Files()
        self.cut_until = 0.0
        self.seen = {}  # version -> when this node first saw it, on this boot
        self._wall_offset, self._rate = plan.offset, plan.rate
        self._boots = self._forks = 0
        self._processes = []
        self.start(plan.uptime)

    def start(self, uptime):
        """Boot. The boot clock then shows `uptime`, which need not be 0 in a time namespace."""
        self._boots += 1
        self.boot_id = f"{self.name}-boot{self._boots}"
        self._started, self._uptime = self.timeline.now, uptime
        self.is_up = True
        self.seen = {}

    def crash(self, keeps_files):
        """Lose power: all processes end at once."""
        self.is_up = self.is_stopped = False
        for process in self._processes:
            process.end()
        self._processes = []
        if not keeps_files:
            self.state = Files()

    def processes(self):
        """Return the processes of this boot, and the dead ones that were forked by one that lives."""
        return self._processes

    def spawn(self, parent=None):
        """Return a new process."""
        self._forks += 1
        process = Process(self.timeline)
        process.pid, process.start, process.parent, process.job = 100 + self._forks, self._forks, parent, None
        self._processes = [
            old for old in self._processes if old.is_alive or (old.parent and old.parent.is_alive)
        ]
        self._processes.append(process)
        return process

    def stop(self, seconds):
        """Freeze the whole machine for a while; its clocks continue."""
        if self.is_up and not self.is_stopped:
            self.is_stopped = True
            stopped = [process for process in self._processes if process.is_alive]
            for process in stopped:
                process.stop()
            self.timeline.at(self.timeline.now + seconds, self._go_on, stopped)

    def wall(self):
        """Return the seconds since 1970 by this node's clock."""
        return EPOCH + self.timeline.now + self._wall_offset

    def true_time(self, wall):
        """Return the true time at which this node's wall clock shows `wall`."""
        return wall - EPOCH - self._wall_offset

    def boot(self):
        """Return the seconds on the current boot clock."""
        return self._uptime + (self.timeline.now - self._started) * self._rate

    def moment(self, boot):
        """Return the true time at which the boot clock shows `boot`: a millisecond late, like the kernel's timers."""
        return self._started + (boot - self._uptime) / self._rate + 0.001

    def true(self, seconds):
        """Return how much true time this many seconds of the node's clock take."""
        return seconds / self._rate

    @property
    def is_cut(self):
        """True while the network between this node and the store is down."""
        return self.timeline.now < self.cut_until

    def cut(self, seconds):
        """Take the network down for a while."""
        self.cut_until = max(self.cut_until, self.timeline.now + seconds)

    def _go_on(self, stopped):
        self.is_stopped = False
        for process in stopped:
            if process.is_alive:
                process.go_on()


class ThreadClock:
    """A node's clocks for one thread, which is the one that sleeps."""

    def __init__(self, node, thread):
        self._node, self._thread = node, thread
        self.wall, self.boot = node.wall, node.boot

    def wait(self, fds, until, at_most):
        """Wait until poked, or until that boot time.

        `at_most` is against timers that stand still while a machine is suspended. Here they do not, and whatever else
        can happen is a poke.
        """
        self._thread.wait(self._node.moment(until) if until < inf else inf)

    def sleep(self, seconds):
        """Sleep by the node's clock."""
        self._thread.sleep(self._node.true(max(0.0, seconds)))


class Files:
    """A state directory in memory."""

    def __init__(self):
        self._kept = {}

    def load(self, kind, what):
        """Return what was stored; empty if nothing was."""
        return self._kept.get((kind, what), b"")

    def store(self, kind, what, data):
        """Replace what is stored."""
        self._kept[kind, what] = data
