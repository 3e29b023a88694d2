"""Signals as readable events: they are taken note of at once and handled in the one loop."""

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
    """Catches what is to be forwarded, and SIGCHLD. What the parent had set to be ignored (nohup) stays ignored."""

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
        """Return what has come since the last call, in order."""
        try:
            return [signal.Signals(number) for number in os.read(self._reader, 4096)]
        except BlockingIOError:
            return []


def _note(signum: int, frame: object) -> None:
    """Do nothing: Python has written the number to the wake-up descriptor."""


def fork(work: Callable[[], None]) -> int:
    """Do `work` in a child, and return its number. No signal is lost, and none is handled twice.

    The child begins with default handlers and with the mask that this process was started with; it ends when
    `work` returns.
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
    """Reap a killed child, now or at a later call: it takes a moment to go, and one stuck in the kernel stays."""
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
