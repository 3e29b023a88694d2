"""The processes of a command, as its guard sees them."""

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from cronguard.run.tree import below
from cronguard.system.proctree import Stat

if TYPE_CHECKING:
    from cronguard.run.effects import Kernel

_LOOKS = 50  # reads of a list of children that keeps changing: a fork storm, wait for a calmer moment


def _nobody() -> frozenset[int]:
    return frozenset()


class Offspring:
    """All that has become of a command. The guard must be single-threaded and a child subreaper.

    `others` returns the PIDs of the guard's other children, which are not the command's: the keepers.
    """

    def __init__(self, leader: int, kernel: "Kernel", others: Callable[[], frozenset[int]] = _nobody) -> None:
        self._leader, self._kernel, self._others = leader, kernel, others
        me = kernel.me()
        self._guard, self._session = me.pid, me.session

    def remaining(self) -> tuple[list[Stat], list[Stat]]:
        """Return the processes that are left after the leader has ended: the run's own, and its daemons.

        Only our children are listed. That is enough: our process is the subreaper, so every other process of the job
        is below one of our children, though that child may be a daemon by now. Reading the whole process table would
        miss a process that is born while its parent ends. Reading the list of children can miss it too, but then the
        list has grown when it is read again. So it is read until it stays the same.
        """
        before, rows = None, list[Stat]()
        for _ in range(_LOOKS):
            pids = set(self._kernel.children(self._guard)) - {self._leader} - self._others()
            rows = [row for pid in pids if (row := self._kernel.child(pid))]
            alive = [row for row in rows if not row.is_zombie]
            ours = [row for row in alive if self._is_own(row)]
            if ours or pids == before:
                daemons = [row for row in alive if row not in ours]
                return ours or self._left_below(daemons), daemons
            before = pids
        return rows, []

    def signal_group(self, signum: int) -> None:
        """Signal the leader's process group, as a terminal would."""
        self._kernel.send_group(self._leader, signum)

    def signal_tree(self, signum: int) -> None:
        """Signal the group, then every other process of the command."""
        self.signal_group(signum)
        for row in self._tree():
            if row.group != self._leader:
                self._kernel.send(row, signum)
        if signum != signal.SIGKILL:
            self.signal_group(signal.SIGCONT)  # a stopped process reacts to no other signal

    def kill_carriers(self, run: str) -> list[Stat]:
        """Kill the processes that carry the run's mark in their environment, and return them.

        Usually none of them is outside the tree. One can be, if the guard was not the subreaper when it was born.
        """
        rows = [row for row in self._kernel.carriers("CRONGUARD_RUN", run) if not row.is_zombie]
        rows = [row for row in rows if row.pid not in self._others()]
        for row in rows:
            self._kernel.send(row, signal.SIGKILL)
        return rows

    def reap(self) -> None:
        """Reap ended processes whose parents are gone. The leader is reaped at the very end."""
        for pid in self._kernel.children(self._guard):
            if pid != self._leader and pid not in self._others():
                self._kernel.reap(pid)

    def _is_own(self, row: Stat) -> bool:
        return row.session == self._session or row.group == self._leader

    def _left_below(self, daemons: list[Stat]) -> list[Stat]:
        """Return the run's own processes below daemons: those born before their parent left the session."""
        if not daemons:
            return []
        found = below(self._kernel.table(), [row.pid for row in daemons]).values()
        return [row for row in found if not row.is_zombie and self._is_own(row)]

    def _tree(self) -> list[Stat]:
        tree = below(self._kernel.table(), [self._guard], self._others())
        for pid in self._kernel.children(self._guard):  # those that are invisible in the table
            if pid not in tree and pid not in self._others() and (row := self._kernel.child(pid)):
                tree[pid] = row
        return [row for row in tree.values() if not row.is_zombie]
