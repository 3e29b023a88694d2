"""File descriptors: those that a child must not keep, and waiting for one, whatever its number is."""

import os
import select
from contextlib import suppress


def can_read(fd: int, timeout: float) -> bool:
    """Wait until a descriptor can be read, for so many seconds; return whether it can. select() knows only 1024 of them."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, timeout) * 1000))


def leave_all(but: int = -1) -> None:
    """Close every descriptor except one, and put /dev/null in the place of the three standard streams.

    A child that hangs would otherwise hold the pipe that cron reads to its end.
    """
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd != but:
            with suppress(OSError):  # the listing's own descriptor is closed by now
                os.close(fd)
    for _ in range(3):
        os.open(os.devnull, os.O_RDWR)
