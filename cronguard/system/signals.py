"""Signals as readable events: they are recorded at once and handled in the main loop."""

import os
import signal
from collections.abc import Callable

FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTSTP,
    signal.SIGCONT,
)
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})


class Signals:
    """Catches SIGCHLD and the signals to forward. A signal that the parent ignores (nohup) stays ignored."""

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        for fd in (self._reader, writer):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for signum in (*FORWARDED, signal.SIGCHLD):
            if signal.getsignal(signum) != signal.SIG_IGN or signum == signal.SIGCHLD:
                signal.signal(signum, _note)

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._reader

    def receive(self) -> list[signal.Signals]:
        """Return the signals that have arrived since the last call, in order."""
        try:
            return [signal.Signals(number) for number in os.read(self._reader, 4096)]
        except BlockingIOError:
            return []


def _note(signum: int, frame: object) -> None:
    """Do nothing: Python has already written the signal number to the wake-up descriptor."""


def fork(work: Callable[[], None]) -> int:
    """Do `work` in a child, and return its process ID. No signal is lost, and none is handled twice.

    The child starts with default handlers and with the signal mask of its parent. It exits when `work` returns.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        if pid := os.fork():
            return pid
        try:
            _reset_handlers()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            work()
            os._exit(0)
        finally:
            os._exit(70)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


_left: set[int] = set()  # children that were killed and have not been reaped yet


def reap(pid: int) -> None:
    """Reap a killed child, now or in a later call: it takes a moment to die, and may be stuck in the kernel."""
    _left.add(pid)
    for child in tuple(_left):
        try:
            is_gone = os.waitpid(child, os.WNOHANG)[0] == child
        except ChildProcessError:
            is_gone = True
        if is_gone:
            _left.discard(child)


def _reset_handlers() -> None:
    signal.set_wakeup_fd(-1)
    for signum in signal.valid_signals():
        if callable(signal.getsignal(signum)):
            signal.signal(signum, signal.SIG_DFL)
