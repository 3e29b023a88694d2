"""A guard that starts without children.

A shell can start processes and then become cronguard: `sleep 20 & exec cronguard run ...`, or the process substitution
in `cronguard run ... > >(cat > log)`. Such processes, and those that they leave behind, would be taken for the
command's: the run would wait for them, renew its lease for them, and kill them.
"""

import os
import signal

from cronguard.system import proctree
from cronguard.system.errors import no_process
from cronguard.system.signals import FORWARDED

_FROM_THE_KERNEL = 128  # siginfo's SI_KERNEL: from the terminal, which signals the whole process group


def start_clean() -> None:
    """Return without children: if this process has any, return in a new child, and let this process wait for it.

    The child has the same process group, terminal and streams. It dies with this process, which passes signals on to
    it and exits with its status. Raises CommandNotExecutableError if no process can be started.
    """
    if not proctree.children(os.getpid()):
        return
    relayed = {*FORWARDED, signal.SIGCHLD}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, relayed)
    parent = os.getpid()
    try:
        pid = os.fork()
    except OSError as error:
        raise no_process(error) from error
    if pid:
        _relay(pid, relayed)
    from cronguard.system import linux

    linux.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _relay(pid: int, relayed: set[signal.Signals]) -> None:
    while True:
        info = signal.sigwaitinfo(relayed)
        if info.si_signo == signal.SIGCHLD:
            _follow(pid)
        elif info.si_code != _FROM_THE_KERNEL:
            os.kill(pid, info.si_signo)


def _follow(pid: int) -> None:
    """Exit when the child has, and stop when it has been stopped, so that the shell that started us gets the terminal."""
    found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
    if not found:
        return
    if os.WIFSTOPPED(status):
        os.kill(os.getpid(), signal.SIGSTOP)
        os.kill(pid, signal.SIGCONT)
        return
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)
