"""Continue this program in a child process, while the parent stands in for it towards whoever started it."""

import os
import signal
from contextlib import suppress

from cronguard.system.linux import die_with_parent
from cronguard.system.signals import FORWARDED

_FROM_KERNEL = (
    0x80  # si_code of a signal that a terminal sends, to the whole process group: the child has it too
)


def continue_in_child() -> int:
    """Fork. The child returns, with the parent's PID; the parent forwards signals and exits with the child's status.

    If the parent is killed, the kernel kills the child too. Raises OSError if no process can be started.
    """
    parent = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        if child := os.fork():
            _stand_in_for(child)
        die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGKILL)  # it was killed before the kernel knew what to do then
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return parent


def _stand_in_for(child: int) -> None:
    """Forward signals to the child until it ends. A signal that our parent ignores (nohup) stays ignored."""
    forwarded = {signum for signum in FORWARDED if signal.getsignal(signum) != signal.SIG_IGN}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if it were ignored, the status would be lost
    while True:
        got = signal.sigwaitinfo({*forwarded, signal.SIGCHLD})
        if got.si_signo == signal.SIGCHLD:
            _follow(child)
        elif got.si_code != _FROM_KERNEL:
            with suppress(ProcessLookupError):
                os.kill(child, got.si_signo)


def _follow(child: int) -> None:
    """Exit as the child did; stop when it has stopped, and let it continue when this process does."""
    pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
    if not pid:
        return
    if os.WIFSTOPPED(status):
        if _has_terminal():  # its shell wants to know; from cron, nobody would let this process continue
            os.kill(os.getpid(), signal.SIGSTOP)
            os.kill(child, signal.SIGCONT)
        return
    os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
