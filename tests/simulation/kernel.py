"""The process table of a node, and its signals, on virtual time: what `cronguard/run/effects.py` calls the kernel."""

import signal

from cronguard.system.proctree import Stat


class Kernel:
    """The kernel as one process of a run sees it."""

    def __init__(self, node, process, run):
        self._node, self._process, self._run = node, process, run

    def me(self):
        """Return the row of this process."""
        return _row(self._process)

    def stat(self, pid):
        """Return a row; a dead process has one until its parent is dead too."""
        return self.table().get(pid)

    def table(self):
        """Return all rows."""
        return {process.pid: _row(process) for process in self._node.processes() if _has_row(process)}

    def children(self, pid):
        """Return the PIDs of a process's children."""
        return [row.pid for row in self.table().values() if row.parent == pid]

    def child(self, pid):
        """Return the row of a child."""
        return self.stat(pid)

    def reap(self, pid):
        """Do nothing: rows of the dead are no trouble here."""

    def send(self, row, signum):
        """Signal exactly this process."""
        found = [each for each in self._node.processes() if (each.pid, each.start) == (row.pid, row.start)]
        for process in found:
            if process.job:
                process.job.receive(signum)

    def send_group(self, group, signum):
        """Signal a group: that of the job's leader, which is its only member."""
        if row := self.stat(group):
            self.send(row, signum)

    def carriers(self, variable, value):
        """Return the living processes of the run."""
        job = self._run.job
        return [_row(job.process)] if value == self._run.name and job and job.process.is_alive else []


class GuardKernel(Kernel):
    """The guard's: things go wrong just before and after its signals."""

    def __init__(self, node, process, run, thread):
        super().__init__(node, process, run)
        self._thread = thread
        self._has_killed = False

    def send_group(self, group, signum):
        """Signal the job, and perhaps let something go wrong."""
        world = self._run.world
        if signum == signal.SIGTERM:
            self._run.note("is stopped")
        if signum == signal.SIGKILL and not self._has_killed:
            self._has_killed = True
            world.strike(self._run, "killing")
            self._thread.sleep(world.some(0.01))
        super().send_group(group, signum)
        if signum == signal.SIGTERM:
            world.strike(self._run, "stopping")


def _has_row(process):
    return process.is_alive or (process.parent is not None and process.parent.is_alive)


def _row(process):
    parent = process.parent.pid if process.parent and process.parent.is_alive else 1
    group = process.pid if process.job else 1
    return Stat(process.pid, parent, group, 1, process.start, not process.is_alive)
