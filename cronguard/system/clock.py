"""This node's clocks, in one object that tests can replace."""

import os
import time
from collections.abc import Iterable

from cronguard.system.errors import ConfigError


class Clock:
    """Wall time for people, boot time for safety.

    Boot time (CLOCK_BOOTTIME) cannot be set and continues while the machine is suspended, so a deadline on it passes
    when it should. All values are in seconds.
    """

    def wall(self) -> float:
        """Return the seconds since 1970 by this node's wall clock."""
        return time.time()

    def boot(self) -> float:
        """Return the seconds since this node was booted, including suspended time."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wait(self, fds: Iterable[int], until: float, at_most: float) -> None:
        """Wait until one of the descriptors can be read or boot time `until` comes, but for `at_most` seconds.

        Timers stop while the machine is suspended, and boot time does not. So a loop wakes now and then to look.
        """
        from cronguard.system.link import wait_for_any

        wait_for_any(fds, max(0.0, min(until - self.boot(), at_most)))

    def sleep(self, seconds: float) -> None:
        """Sleep. It may return late, but never early by more than the clock's resolution."""
        time.sleep(max(0.0, seconds))


def boot_id() -> str:
    """Return an identifier of the clock that `Clock.boot` reads. Each boot and each time namespace has its own."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    try:
        return f"{boot}/{os.readlink('/proc/self/ns/time')}"
    except OSError:  # a kernel without time namespaces has only one boot clock
        return boot


def process_started(clock: Clock) -> float:
    """Return the boot time at which this process was started, at most one clock tick (10 ms) late, never early.

    The kernel rounds start times down to its clock tick. Without the added tick, a process started at 05:30:00.004
    would seem to have started at 05:29:59.99, in the minute before.
    """
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    start_field = 19  # field 22 of proc(5), counted after the command name
    return min(clock.boot(), (int(fields[start_field]) + 1) / os.sysconf("SC_CLK_TCK"))


def check_skew(ours: float, theirs: float | None, bound: float) -> None:
    """Raise ConfigError, with both times, if this node's clock and the backend's differ by more than `bound` seconds."""
    if theirs is not None and abs(ours - theirs) > bound:
        raise ConfigError(
            f"this node's clock says {_utc(ours)}, the backend's {_utc(theirs)}: "
            f"they differ by more than max_clock_skew ({bound:g}s)",
            "set the clock (chronyc tracking, timedatectl), or see max_clock_skew in the manual",
        )


def _utc(wall: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall))
