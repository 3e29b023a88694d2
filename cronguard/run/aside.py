"""Work that may hang in storage, done by a child that the guard can leave behind."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from cronguard.system.signals import fork

_left: set[int] = set()  # children that SIGKILL did not end


def aside(work: Callable[[], None], limit: float) -> bool:
    """Do the work in a child within `limit` seconds; return whether it was done. Never waits any longer.

    Nothing is done if no process can be started.
    """
    try:
        pid = fork(work)
    except OSError:
        return False
    _left.add(pid)
    if not _ends(pid, limit):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _ends(pid, 0.1)
        return False
    return True


def leave_behind(pid: int) -> None:
    """Note that this child could not be killed."""
    _left.add(pid)


def left_behind() -> frozenset[int]:
    """Return the PIDs of the children that still hang: they are not the command's."""
    for pid in tuple(_left):
        _has_ended(pid)
    return frozenset(_left)


def _ends(pid: int, limit: float) -> bool:
    give_up_at = time.monotonic() + limit
    while not _has_ended(pid):
        if time.monotonic() >= give_up_at:
            return False
        time.sleep(0.002)
    return True


def _has_ended(pid: int) -> bool:
    try:
        has_ended = os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        has_ended = True
    if has_ended:
        _left.discard(pid)
    return has_ended
