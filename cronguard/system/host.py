"""Where this process runs: on which machine, and in which container."""

import os
from contextlib import suppress
from typing import NamedTuple

_FIRST = (
    "pid:[4026531836]"  # the PID namespace outside all containers; the kernel never uses its number again
)


class Host(NamedTuple):
    """A machine, by its machine ID, and a container on it, whose name is "" outside of containers.

    `begun` is the boot time since which the container has existed, or 0.0 for the machine itself; None if unknown.
    """

    machine: str = ""
    container: str = ""
    begun: float | None = 0.0


def this_host() -> Host:
    """Return where this process runs.

    A container is recognised by its PID namespace. The kernel uses the numbers of namespaces again, so the start of the
    namespace's process 1 is part of the name. If that start cannot be read, the name is a new one each time.
    """
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # a kernel without PID namespaces
        return Host(machine_id())
    if namespace == _FIRST:
        return Host(machine_id())
    if (start := _first_start()) is None:
        return Host(machine_id(), f"{namespace}?{os.urandom(8).hex()}", None)
    return Host(machine_id(), f"{namespace}@{start}", start / os.sysconf("SC_CLK_TCK"))


def machine_id() -> str:
    """Return an ID that distinguishes two machines with the same node name."""
    with suppress(OSError), open("/etc/machine-id", encoding="ascii", errors="replace") as file:
        if name := file.read().strip():
            return name
    return os.uname().nodename


def _first_start() -> int | None:
    """Return the start of this PID namespace's process 1; None if /proc hides it, or shows another namespace."""
    with suppress(OSError), open("/proc/self/status", "rb") as status, open("/proc/1/stat", "rb") as first:
        pids = next((line.split()[1:] for line in status if line.startswith(b"NSpid:")), [])
        if len(pids) == 1:  # a /proc of an outer namespace also shows the PID there
            return int(first.read().rpartition(b")")[2].split()[19])
    return None
