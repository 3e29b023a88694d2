"""The command of a run: starts it with its environment and watches it until it ends."""

import errno
import os
import signal
from collections.abc import Callable, Mapping
from math import inf
from typing import TYPE_CHECKING

from cronguard.run.environment import job_environment
from cronguard.run.keeping import Keeping
from cronguard.run.offspring import Offspring
from cronguard.run.plan import Plan
from cronguard.run.process import Process
from cronguard.run.supervisor import Ending, Supervisor
from cronguard.system import linux, proctree
from cronguard.system.clock import Clock
from cronguard.system.errors import CronguardError

if TYPE_CHECKING:
    from cronguard.run.effects import Signalled


class Execution:
    """A planned command as a process that waits to be started. If `token` is None, it runs unguarded."""

    def __init__(
        self, plan: Plan, env: Mapping[str, str], token: int | None, others: Callable[[], frozenset[int]]
    ) -> None:
        linux.become_subreaper()
        self._plan = plan
        self._process = Process(plan.program, plan.argv, job_environment(env, plan.ask, token))
        self._offspring = Offspring(self._process.pid, proctree, others)

    @property
    def leader(self) -> proctree.Stat:
        """The command's own process, the leader of its process group.

        Raises OSError if it cannot be read: then nobody else could kill it, so it must not start.
        """
        if row := proctree.stat(self._process.pid):
            return row
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))

    def run(
        self,
        signals: "Signalled",
        clock: Clock,
        notice: Callable[[str], None],
        keeping: Keeping | None = None,
    ) -> Ending:
        """Start the command, unless its deadline has already passed; return when its processes are gone."""
        self._process.release(keeping.deadline if keeping else inf)
        ask, limits = self._plan.ask, self._plan.limits
        command = self._process, self._offspring
        try:
            ending = Supervisor(*command, signals, limits, clock, ask.run, keeping, notice).watch()
        except BaseException:  # a bug, or out of memory: a command that cannot be watched must not run
            self._offspring.signal_tree(signal.SIGKILL)
            raise
        self._process.reap()
        return ending

    @property
    def failure(self) -> CronguardError | None:
        """Why the command was never started; None if it was."""
        return self._process.exec_failure()
