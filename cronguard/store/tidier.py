"""Remove what swaps have put away, where nobody waits for it: an unlink may take minutes, or hang with the storage."""

import os
import signal
from contextlib import suppress
from typing import Any

from cronguard.store.contract import Terms, open_backend
from cronguard.store.gate import try_lock
from cronguard.system.clock import Clock
from cronguard.system.descriptors import leave_all
from cronguard.system.errors import BackendError
from cronguard.system.signals import fork
from cronguard.system.statedir import StateDir


class Tidier:
    """Tidies a backend that puts things away, in one child at a time. The child is never waited for.

    It is killed when this process ends; what it has not removed is left to the next one. One that cannot be killed
    holds a lock, so that no second process of this node gets stuck.
    """

    def __init__(self, backend: Any, url: str, state: StateDir) -> None:
        self._backend, self._url, self._state = backend, url, state
        self._me = os.getpid()
        self._child: int | None = None

    def start(self) -> None:
        """Start a child if a swap has left something to remove, and the last child has ended."""
        if getattr(self._backend, "is_untidy", False) and not self._is_busy():
            self._backend.is_untidy = False
            with suppress(OSError):  # no process can be started: the next swap will ask again
                self._child = fork(self._work)

    def _is_busy(self) -> bool:
        if self._child is not None:
            with suppress(ChildProcessError):
                if os.waitpid(self._child, os.WNOHANG)[0] == 0:
                    return True
            self._child = None
        return False

    def _work(self) -> None:
        from cronguard.system.linux import (
            die_with_parent,  # it costs milliseconds that a claim must not wait for
        )

        die_with_parent(signal.SIGKILL)
        leave_all()  # whoever waits for the other end of the keeper's link must see the keeper die
        if os.getppid() == self._me:  # otherwise it ended before the kernel knew
            _tidy_alone(self._backend, self._url, self._state)


def tidy_store(url: str, state: StateDir, clock: Clock) -> None:
    """Remove what all nodes have left in a store; do nothing if a process of this node is doing so already.

    It may take minutes: call it where it can be abandoned. Raises BackendError if the store cannot be opened.
    """
    if url.startswith("dir:"):
        _tidy_alone(open_backend(url, clock, state, Terms()), url, state)


def _tidy_alone(backend: Any, url: str, state: StateDir) -> None:
    fd = None
    with suppress(OSError):  # without a writable state directory, there is nothing to lock
        fd = state.open(state.path("tidy", url), os.O_RDWR)
    if fd is None or try_lock(fd):
        with suppress(BackendError):
            backend.tidy()
