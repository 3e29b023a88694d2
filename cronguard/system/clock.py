"""This node's clocks, in one object that tests can replace."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress

from cronguard.system.errors import ConfigError

_UNSHIFTED = "time:[4026531834]"  # the time namespace of every boot; the kernel never uses its number again
_original_start: int | None = None  # of the process that forked this one to enter a time namespace


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


def clock_name() -> str:
    """Return the name of the clock that `Clock.boot` reads. Only processes that read the same clock have the same name.

    A boot of the kernel has one such clock, and a time namespace shifts it. The kernel uses the numbers of namespaces
    again, so the shift is part of the name, not the number. /proc shows the shift of the namespace of this process's
    children. If this process is in another one, or the shift cannot be read, the clock has no name: each call returns
    a new one, which equals nothing.
    """
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    try:
        own, of_children = _time_namespaces()
    except OSError:  # a kernel without time namespaces has only one boot clock
        return boot
    shift = "" if own == _UNSHIFTED else _shift() if own == of_children else None
    if shift is None:
        return f"{boot}/unknown {os.urandom(8).hex()}"
    return f"{boot}/{shift or _UNSHIFTED}"


def enter_time_namespace() -> None:
    """Continue in the time namespace that this process's children would be in. Call it before any clock is read.

    Until Linux 6.1, a process that `unshare --time` starts is not in the new namespace, but its children are. So guard
    and keeper would read different clocks. Then this process forks: the child returns, and the parent forwards signals
    and exits with the child's status. Raises OSError if no process can be started.
    """
    try:
        own, of_children = _time_namespaces()
    except OSError:
        return
    if own != of_children:
        continue_in_child()


def continue_in_child() -> None:
    """Fork, and return in the child, whose start counts as that of the parent. The parent stands in for the child.

    Raises OSError if no process can be started.
    """
    global _original_start  # noqa: PLW0603 - the fork changes this process's start, not when it was requested
    from cronguard.system import relay

    parent = relay.continue_in_child()
    with suppress(OSError):  # it is gone, and so will this process be
        _original_start = _start_of(str(parent))


def _time_namespaces() -> tuple[str, str]:
    """Return the time namespaces of this process and of its children; raises OSError if the kernel has none."""
    return os.readlink("/proc/self/ns/time"), os.readlink("/proc/self/ns/time_for_children")


def _shift() -> str | None:
    """Return the shift of the clocks in the children's time namespace, "" for none; None if it cannot be read."""
    try:
        with open("/proc/self/timens_offsets", encoding="ascii") as file:
            clocks = [line.split() for line in file]
    except OSError:
        return None
    is_shifted = any(offset != "0" for _, *offsets in clocks for offset in offsets)
    return ", ".join(map(" ".join, clocks)) if is_shifted else ""


def process_started(clock: Clock) -> float:
    """Return the boot time at which this process was started, at most one clock tick (10 ms) late, never early.

    The kernel rounds start times down to its clock tick. Without the added tick, a process started at 05:30:00.004
    would seem to have started at 05:29:59.99, in the minute before.
    """
    start = _start_of("self") if _original_start is None else _original_start
    return min(clock.boot(), (start + 1) / os.sysconf("SC_CLK_TCK"))


def _start_of(process: str) -> int:
    with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    start_field = 19  # field 22 of proc(5), counted after the command name
    return int(fields[start_field])


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
