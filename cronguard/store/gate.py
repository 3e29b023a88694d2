"""The gate before a backend: only one process of this node at a time makes its first call to the store."""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress

from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError
from cronguard.system.proctree import Stat, stat
from cronguard.system.statedir import StateDir

_NOTE = 60  # bytes


class Gate:
    """Keeps processes from piling up on storage that hangs.

    A process stuck in the kernel cannot be killed, not even by SIGKILL, but it still holds its file locks. So each
    process takes this lock for its first call to the backend. While one is stuck there, the others find the lock
    held, see for how long, and give up at once instead of getting stuck too.

    A waiting process calls `moved` when it sees that others were answered. When many jobs start on the hour, the
    queue is long, but that does not mean that the backend does not answer.
    """

    def __init__(
        self,
        state: StateDir,
        url: str,
        patience: float,
        clock: Clock,
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._state = state
        self._url = url
        self._path = state.path("gate", url)
        self._patience = patience
        self._clock = clock
        self._moved = moved
        self._fd: int | None = None

    def enter(self) -> None:
        """Take the lock, waiting while its holder may still get an answer.

        Raises BackendError if the holder has waited for longer than the backend's time limit, or if an earlier
        process could not be killed. A node whose state directory is not writable has no gate.
        """
        self._check_stuck()
        with suppress(OSError):
            self._fd = self._state.open(self._path, os.O_RDWR)
        if self._fd is not None:
            self._lock(self._fd)
            self._sign(self._fd)

    def check(self) -> None:
        """Raise BackendError if an earlier process of this node is still waiting. Does not take the lock."""
        self._check_stuck()
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            self._check_holder(fd)
        finally:
            os.close(fd)

    def leave(self) -> None:
        """Let the next process in: the backend has answered."""
        if self._fd is not None:
            _write(self._fd, f"- - - {_answers(self._fd) + 1}")
            os.close(self._fd)
            self._fd = None

    def mark_stuck(self, row: Stat) -> None:
        """Record that this process is stuck in the kernel, at whatever point of its work."""
        self._state.store("stuck", self._url, f"{row.pid} {row.start}".encode())

    def _check_stuck(self) -> None:
        if note := self._state.load("stuck", self._url):
            if row := _living(note):
                raise _no_answer(row.pid)
            self._state.remove("stuck", self._url)

    def _sign(self, fd: int) -> None:
        if row := stat(os.getpid()):
            _write(fd, f"{row.pid} {row.start} {self._clock.boot():.2f} {_answers(fd)}")

    def _lock(self, fd: int) -> None:
        """Wait for the lock. Where the disk has no locks, or none are left, there is no gate."""
        with suppress(OSError):
            self._wait_for(fd)

    def _wait_for(self, fd: int) -> None:
        pause, answers = 0.001, _answers(fd)
        while not try_lock(fd):
            self._check_holder(fd)
            self._clock.sleep(pause)
            pause = min(2 * pause, 0.05)
            if answers != (answers := _answers(fd)):
                self._moved()

    def _check_holder(self, fd: int) -> None:
        """Raise BackendError if the lock's holder has held it too long; a dead holder's note does not count."""
        note = _read(fd)
        if row := _living(note):
            with suppress(ValueError, IndexError):
                if self._clock.boot() - float(note.split()[2]) > self._patience:
                    raise _no_answer(row.pid)


def try_lock(fd: int) -> bool:
    """Take the kernel's lock on a file if nobody else holds it; return whether it was taken."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(fd: int, note: str) -> None:
    with suppress(OSError):  # a full disk must not stop a run; without a note, the others wait longer
        os.pwrite(fd, note.encode().ljust(_NOTE), 0)


def _read(fd: int) -> bytes:
    with suppress(OSError):
        return os.pread(fd, _NOTE, 0)
    return b""


def _answers(fd: int) -> int:
    """Return how many processes have been answered so far."""
    with suppress(ValueError, IndexError):
        return int(_read(fd).split()[3])
    return 0


def _living(note: bytes) -> Stat | None:
    """Return the process that a note starts with (PID and start time), if it is still running."""
    with suppress(OSError, ValueError, IndexError):
        number, start = int(note.split()[0]), int(note.split()[1])
        row = stat(number)
        return row if row and row.start == start and not row.is_zombie else None
    return None


def _no_answer(pid: int) -> BackendError:
    return BackendError(
        f"the backend does not answer: process {pid} of this node is still waiting for it and cannot be killed",
        "check whether its storage hangs (dmesg, df); runs resume by themselves when the storage answers",
    )
