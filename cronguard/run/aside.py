"""Work that may hang in storage, done by a child that the guard can leave behind."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from cronguard.system.descriptors import leave_all
from cronguard.system.signals import fork

_left: set[int] = set()  # children that SIGKILL did not end


def aside(work: Callable[[], None], limit: float) -> int | None:
    """Do the work in a child within `limit` seconds, and return the child's exit status. Never waits any longer.

    Returns None if it takes longer, and if no process can be started.
    """

    def work_alone() -> None:
        leave_all()
        work()

    try:
        pid = fork(work_alone)
    except OSError:
        return None
    _left.add(pid)
    give_up_at = time.monotonic() + limit
    while (status := _status(pid)) is None and time.monotonic() < give_up_at:
        time.sleep(0.001)
    if status is None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return status


def left_behind() -> frozenset[int]:
    """Return the PIDs of the children that still hang: they are not the command's."""
    for pid in tuple(_left):
        _status(pid)
    return frozenset(_left)


def _status(pid: int) -> int | None:
    """Return the exit status of a child, and reap it; None if it has not ended."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        found, status = pid, 0
    if found != pid:
        return None
    _left.discard(pid)
    return os.waitstatus_to_exitcode(status)
