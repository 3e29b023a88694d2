"""The gate before a backend: one process of this node at a time makes its first call there."""

import fcntl
import os
from contextlib import suppress

from cronguard.clock import Clock
from cronguard.errors import BackendError
from cronguard.proctree import Stat, stat
from cronguard.statedir import StateDir


class Gate:
    """Keeps processes from piling up on storage that hangs.

    A process stuck in the kernel cannot be ended, not even by SIGKILL, but it still holds its file locks. So
    each takes this lock for its first call to the backend; while one is stuck there, the others find the lock
    taken, see for how long, and give up at once instead of joining it.
    """

    def __init__(self, state: StateDir, url: str, patience: float, clock: Clock) -> None:
        self._state = state
        self._url = url
        self._path = state.path("gate", url)
        self._patience = patience
        self._clock = clock
        self._fd: int | None = None

    def enter(self) -> None:
        """Take the lock, waiting while its holder may still be answered.

        Raises BackendError when the holder has been at it for longer than the backend's time limit, or when an
        earlier process could not be ended. A node whose state folder cannot be written has no gate.
        """
        self._check_stuck()
        with suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if self._fd is not None:
            self._lock(self._fd)
            os.pwrite(self._fd, f"{os.getpid()} {self._clock.boot():.2f}\n".encode().ljust(40), 0)

    def leave(self) -> None:
        """Let the next one in: the backend has answered."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def mark_stuck(self, row: Stat) -> None:
        """Note that this process is stuck in the kernel, wherever in its work that happened."""
        self._state.store("stuck", self._url, f"{row.pid} {row.start}".encode())

    def _check_stuck(self) -> None:
        words = self._state.load("stuck", self._url).split()
        if (
            len(words) == 2
            and (row := stat(int(words[0])))
            and row.start == int(words[1])
            and not row.is_zombie
        ):
            raise _no_answer(row.pid)
        if words:
            self._state.remove("stuck", self._url)

    def _lock(self, fd: int) -> None:
        pause = 0.001
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._check_holder(fd)
                self._clock.sleep(pause)
                pause = min(2 * pause, 0.05)
            else:
                return

    def _check_holder(self, fd: int) -> None:
        pid, _, since = os.pread(fd, 40, 0).decode("ascii", "replace").partition(" ")
        try:
            waited = self._clock.boot() - float(since)
        except ValueError:  # locked a moment ago, not yet written
            return
        if waited > self._patience:
            raise _no_answer(int(pid))


def _no_answer(pid: int) -> BackendError:
    return BackendError(
        f"the backend does not answer: process {pid} of this node is still waiting for it and cannot be ended",
        "see whether its storage hangs (dmesg, df); all goes on by itself when the storage answers",
    )
