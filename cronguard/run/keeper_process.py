"""The guard's handle on a keeper: starts it, receives its messages, and gives it up when it hangs."""

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cronguard.run.aside import aside
from cronguard.store.gate import Gate
from cronguard.system import proctree
from cronguard.system.clock import Clock
from cronguard.system.link import Link
from cronguard.system.signals import fork

if TYPE_CHECKING:
    from cronguard.run.errand import Errand

_DYING = 1.0  # seconds: a process that survives SIGKILL for this long is stuck in the kernel
_NOTING = 1.0  # seconds: the state directory may be on the very storage that hangs


class KeeperProcess:
    """A keeper as a child process."""

    def __init__(self, errand: "Errand", clock: Clock) -> None:
        self._errand = errand
        self._clock = clock
        self.link, theirs = Link.pair()
        # The keeper is told who its guard is: by the time it asks, its parent may be another process.
        guard = proctree.me()

        def keep() -> None:
            from cronguard.run.keeper import Keeper

            self.link.close()
            Keeper(errand, theirs, clock, guard).run()

        try:
            self.pid = fork(keep)
        except OSError:
            self.link.close()
            raise
        finally:
            theirs.close()
        self._row = proctree.stat(self.pid)
        self._is_reaped = False

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that have arrived."""
        return self.link.receive()

    def is_alive(self) -> bool:
        """Return whether the keeper is still running; reap it if it is not."""
        if not self._is_reaped:
            with suppress(ChildProcessError):
                self._is_reaped = os.waitpid(self.pid, os.WNOHANG)[0] == self.pid
        return not self._is_reaped

    def kill(self) -> None:
        """Send SIGKILL, if the keeper is still running. It has not been reaped then, so the PID is still its own."""
        if self.is_alive():
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> bool:
        """Kill the keeper. Return False if it is stuck in the kernel, and record that for later runs on this node.

        It is killed before the link is closed. Otherwise it would take the guard for dead and kill the job.
        """
        self.kill()
        give_up_at = time.monotonic() + _DYING
        while self.is_alive() and time.monotonic() < give_up_at:
            time.sleep(0.001)
        if self.is_alive() and (row := self._row):
            gate = Gate(self._errand.state, self._errand.url, 0.0, self._clock)
            aside(lambda: gate.mark_stuck(row), _NOTING)
        self.link.close()
        return not self.is_alive()
