"""The command's own process, the leader of its process group: started, watched and reaped."""

import errno
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import inf

from cronguard.system import linux
from cronguard.system.clock import Clock
from cronguard.system.errors import (
    CommandNotExecutableError,
    CommandNotFoundError,
    CronguardError,
    TooLateError,
)
from cronguard.system.signals import fork

_KEYBOARD_STOPS = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class Process:
    """A command whose process is started. Our own process must be single-threaded and a child subreaper.

    `status` is None until the leader has ended. Then it is the leader's exit status, or 128+n if signal n killed it.
    """

    def __init__(self, program: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._program, self._argv, self._env = program, argv, env
        self._go_reader, self._go = os.pipe()
        self._exec_error, self._exec_writer = os.pipe()
        self.has_terminal = _foreground() != 0
        self._guard = os.getpid()
        self.pid = fork(self._become_command)
        os.close(self._go_reader)
        os.close(self._exec_writer)
        os.set_blocking(self._exec_error, False)
        with suppress(OSError):  # the child does the same, and either may be first
            os.setpgid(self.pid, self.pid)
        self.status: int | None = None
        self.is_stopped = self._is_stillborn = False

    def release(self, deadline: float = inf) -> None:
        """Start the command. Until now its process has only waited, and it would have ended together with ours.

        Its process reads the boot clock immediately before it starts: our process or the machine may have been frozen
        since we last read it. After the deadline the command does not start; see `exec_failure`.
        """
        self.give_terminal()
        try:
            os.write(self._go, repr(deadline).encode())
        except BrokenPipeError:  # killed while it waited, for example because memory ran out
            self._is_stillborn = True
        os.close(self._go)

    def look(self) -> None:
        """Note whether the leader was stopped, continued, or has ended.

        The leader is not reaped here: until it is, no other process or group can get its PID.
        """
        flags = os.WEXITED | os.WSTOPPED | os.WCONTINUED | os.WNOHANG
        if self.status is None and (change := os.waitid(os.P_PID, self.pid, flags | os.WNOWAIT)):
            if change.si_code in (os.CLD_STOPPED, os.CLD_CONTINUED):
                with suppress(ChildProcessError):  # killed in the meantime: the next call will see it
                    os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WCONTINUED | os.WNOHANG)
                    self.is_stopped = change.si_code == os.CLD_STOPPED and change.si_status in _KEYBOARD_STOPS
            else:
                self.status = _exit_status(change)

    def exec_failure(self) -> CronguardError | None:
        """Return why the command could not be executed; None if it was executed, or if that is not known yet."""
        if self._is_stillborn:
            return CommandNotExecutableError(
                "the command's process was killed before the command could start",
                "check the memory of this node and of cron's control group (dmesg, journalctl -k)",
            )
        with suppress(BlockingIOError):
            if number := os.read(self._exec_error, 16):
                return _exec_failure(self._program, int(number))
        return None

    def reap(self) -> None:
        """Reap the leader and take the terminal back. Call this only after its process group is gone."""
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        self.take_terminal()

    def take_terminal(self) -> None:
        """Make our own process group the terminal's foreground again, if the command's group is now."""
        if _foreground() == self.pid:
            _give_terminal(os.getpgrp())

    def give_terminal(self) -> bool:
        """Make the command's group the terminal's foreground if ours is now: never take it from a shell.

        Return whether ours was.
        """
        is_ours = _foreground() == os.getpgrp()
        if is_ours:
            _give_terminal(self.pid)
        return is_ours

    def _become_command(self) -> None:
        linux.die_with_parent(signal.SIGKILL)
        os.setpgid(0, 0)
        os.close(self._go)
        deadline = os.read(self._go_reader, 64)
        if not deadline or os.getppid() != self._guard:
            os._exit(70)  # the guard is gone, so nothing would renew the lease
        for signum in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; commands expect the default
            signal.signal(signum, signal.SIG_DFL)
        try:
            _execute(self._program, list(self._argv), self._env, float(deadline))
        except OSError as error:
            os.write(self._exec_writer, str(error.errno or errno.EIO).encode())
            os._exit(127 if error.errno == errno.ENOENT else 126)


def _execute(program: str, argv: list[str], env: Mapping[str, str], deadline: float) -> None:
    """Become the program. A script whose first line names no interpreter runs with sh, as it does under cron."""
    if Clock().boot() >= deadline:
        raise OSError(errno.ETIME, os.strerror(errno.ETIME))
    try:
        os.execve(program, argv, env)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        os.execve("/bin/sh", ["sh", program, *argv[1:]], env)


def _exec_failure(program: str, number: int) -> CronguardError:
    told = f"{program}: {os.strerror(number)}"
    if number == errno.ENOENT:
        return CommandNotFoundError(told, "check that the interpreter in its first line exists")
    if number == errno.ETIME:
        return TooLateError(
            "the lease's deadline passed before the command could start, so it was not started",
            "the machine was frozen or is far too busy; see --ttl",
        )
    return CommandNotExecutableError(told, "check that it starts with a line like #!/bin/sh")


def _exit_status(change: os.waitid_result) -> int:
    return change.si_status if change.si_code == os.CLD_EXITED else 128 + change.si_status


def _foreground() -> int:
    """Return the process group in the terminal's foreground; 0 if there is no terminal."""
    try:
        return os.tcgetpgrp(0)
    except OSError:
        return 0


def _give_terminal(group: int) -> None:
    """Change the terminal's foreground group. SIGTTOU is blocked: from the background it would stop our process."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        with suppress(OSError):
            os.tcsetpgrp(0, group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
