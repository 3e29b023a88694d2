"""The process table: which processes descend from which, and signals that cannot hit a reused process ID."""

import os
import signal
import time
from contextlib import suppress
from typing import NamedTuple

from cronguard.system.descriptors import can_read, leave_all
from cronguard.system.signals import fork

_SCAN_LIMIT = 1.0  # seconds for reading environments: this can hang on a process that is stuck in the kernel


class Stat(NamedTuple):
    """A row of the table. `start` distinguishes processes that have used the same ID."""

    pid: int
    parent: int
    group: int
    session: int
    start: int
    is_zombie: bool


def stat(pid: int) -> Stat | None:
    """Return one row; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    parent, group, session, threads = int(fields[1]), int(fields[2]), int(fields[3]), int(fields[17])
    is_zombie = fields[0] in (b"Z", b"X") and threads <= 1  # with more, only the first thread has ended
    return Stat(pid, parent, group, session, int(fields[19]), is_zombie)


def me() -> Stat:
    """Read the row of this process."""
    pid = os.getpid()
    return stat(pid) or Stat(pid, os.getppid(), os.getpgrp(), os.getsid(0), 0, is_zombie=False)


def table() -> dict[int, Stat]:
    """Return all rows by process ID."""
    rows = (stat(int(name)) for name in os.listdir("/proc") if name.isdecimal())
    return {row.pid: row for row in rows if row}


def children(pid: int) -> list[int]:
    """Return the PIDs of a single-threaded process's children. Reads the whole table only if the kernel has no list."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return [row.pid for row in table().values() if row.parent == pid]


def child(pid: int) -> Stat | None:
    """Read the row of a child of this process; None once it has been reaped.

    A set-uid child can be invisible in /proc (hidepid). The kernel still says whether it lives, and its group and
    session; only its start stays unknown, which is 0.
    """
    if row := stat(pid):
        return row
    try:
        has_ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        return Stat(pid, os.getpid(), os.getpgid(pid), os.getsid(pid), 0, has_ended)
    except (ChildProcessError, ProcessLookupError):
        return None


def reap(pid: int) -> None:
    """Reap a child, if it has ended."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def send(row: Stat, signum: int) -> None:
    """Signal exactly this process, and no later one with the same PID.

    Where the kernel has no pidfds, or refuses them (a seccomp filter), the start is compared right before the signal is
    sent. A process that must die is not left alive for want of them.
    """
    with suppress(OSError):
        try:
            fd = os.pidfd_open(row.pid)
        except ProcessLookupError:
            return
        except OSError:
            if _is_still(row):
                os.kill(row.pid, signum)
            return
        try:
            if _is_still(row):
                signal.pidfd_send_signal(fd, signum)
        finally:
            os.close(fd)


def send_group(group: int, signum: int) -> None:
    """Signal a process group. The caller knows that it still is the one it means."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)


def _is_still(row: Stat) -> bool:
    now = stat(row.pid) if row.start else child(row.pid)
    return now is not None and now.start == row.start


def carriers(variable: str, value: str) -> list[Stat]:
    """Return what `marked` finds, whether that is complete or not."""
    return marked(variable, value)[0]


def marked(variable: str, value: str) -> tuple[list[Stat], bool]:
    """Return the processes whose environment has the variable with this value, and whether all were looked at.

    A child process reads the environments for a second at most, and is left behind if it hangs. Finds nothing if no
    child can be started. This process is never returned.
    """
    fds: tuple[int, ...] = ()
    try:
        fds = reader, writer = os.pipe()
        pid = fork(lambda: _scan(f"{variable}={value}".encode(), writer))
    except OSError:
        for fd in fds:
            os.close(fd)
        return [], False
    os.close(writer)
    found, is_complete = _collect(reader)
    os.kill(pid, signal.SIGKILL)
    reap(pid)
    rows = [row for number, start in found if (row := stat(number)) and row.start == start]
    return [row for row in rows if row.pid not in (pid, os.getpid())], is_complete


def _scan(wanted: bytes, writer: int) -> None:
    leave_all(but=writer)  # an open copy of a link would hide its owner's death
    for name in os.listdir("/proc"):
        if name.isdecimal() and (row := stat(int(name))) and _carries(row, wanted):
            os.write(writer, f"{row.pid}:{row.start} ".encode())
    os.write(writer, b".")


def _carries(row: Stat, wanted: bytes) -> bool:
    """Return whether this very process has the variable: its PID may have got another owner between two reads."""
    with suppress(OSError), open(f"/proc/{row.pid}/environ", "rb", buffering=0) as file:
        return wanted in file.read().split(b"\0") and _is_still(row)
    return False


def _collect(reader: int) -> tuple[list[tuple[int, int]], bool]:
    text, give_up_at = b"", time.monotonic() + _SCAN_LIMIT
    with open(reader, "rb", buffering=0) as file:
        while not text.endswith(b".") and can_read(reader, give_up_at - time.monotonic()):
            if not (more := file.read(65536)):
                break
            text += more
    whole = text.split(b" ")[:-1]  # what follows the last blank is the end mark, or half of a row
    rows = [(int(pid), int(start)) for pid, _, start in (word.partition(b":") for word in whole)]
    return rows, text.endswith(b".")
