"""The process table: which processes descend from which, and signals that cannot hit a reused process ID."""

import os
import select
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

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
    except OSError:
        return None
    parent, group, session, threads = int(fields[1]), int(fields[2]), int(fields[3]), int(fields[17])
    is_zombie = fields[0] in (b"Z", b"X") and threads <= 1  # with more, only the first thread has ended
    return Stat(pid, parent, group, session, int(fields[19]), is_zombie)


def table() -> dict[int, Stat]:
    """Return all rows by process ID."""
    rows = (stat(int(name)) for name in os.listdir("/proc") if name.isdecimal())
    return {row.pid: row for row in rows if row}


def descendants(rows: dict[int, Stat], roots: Iterable[int]) -> dict[int, Stat]:
    """Return all processes that descend from the roots, without the roots themselves."""
    children: dict[int, list[Stat]] = {}
    for row in rows.values():
        children.setdefault(row.parent, []).append(row)
    found: dict[int, Stat] = {}
    pending = list(roots)
    while pending:
        for row in children.get(pending.pop(), ()):
            if row.pid not in found:
                found[row.pid] = row
                pending.append(row.pid)
    return found


def children(pid: int) -> list[int]:
    """Return the IDs of a single-threaded process's children. Reads the table only if the kernel cannot list them."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return [row.pid for row in table().values() if row.parent == pid]


def send(row: Stat, signum: int) -> None:
    """Send a signal to exactly this process, and to no later process with the same ID."""
    with suppress(OSError):
        fd = os.pidfd_open(row.pid)
        try:
            now = stat(row.pid)
            if now and now.start == row.start:
                signal.pidfd_send_signal(fd, signum)
        finally:
            os.close(fd)


def carriers(variable: str, value: str) -> list[Stat]:
    """Return the processes whose environment contains the variable with this value: best effort, within a second.

    A child does the search and is abandoned if it hangs. If no child can be started, nothing is found. The result does
    not include this process.
    """
    try:
        reader, writer = os.pipe()
        pid = fork(lambda: _scan(f"{variable}={value}".encode(), writer))
    except OSError:
        return []
    os.close(writer)
    numbers = _collect(reader)
    os.kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return [row for number in numbers if number not in (pid, os.getpid()) and (row := stat(number))]


def _scan(wanted: bytes, writer: int) -> None:
    for fd in map(int, os.listdir("/proc/self/fd")):  # an open link here would hide its owner's death
        if fd != writer:
            with suppress(OSError):
                os.close(fd)
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError), open(f"/proc/{name}/environ", "rb", buffering=0) as file:
                if wanted in file.read().split(b"\0"):
                    os.write(writer, f"{name} ".encode())
    os.write(writer, b".")


def _collect(reader: int) -> list[int]:
    text, give_up_at = b"", time.monotonic() + _SCAN_LIMIT
    with open(reader, "rb", buffering=0) as file:
        while (
            not text.endswith(b".")
            and select.select([file], [], [], max(0.0, give_up_at - time.monotonic()))[0]
        ):
            if not (more := file.read(65536)):
                break
            text += more
    return [int(word) for word in text.rstrip(b".").split()]
