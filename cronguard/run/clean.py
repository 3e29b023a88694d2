"""A guard that starts without children, and on the clock that its children will read.

A shell can start processes and then become cronguard: `sleep 20 & exec cronguard run ...`, or the process substitution
in `cronguard run ... > >(cat > log)`. Such processes, and those that they leave behind, would be taken for the
command's: the run would wait for them, renew its lease for them, and kill them.
"""

import os

from cronguard.system import proctree
from cronguard.system.clock import continue_in_child, enter_time_namespace
from cronguard.system.errors import ConfigError, no_process


def start_clean() -> None:
    """Continue in a child of this process, if it has children, or is not in its children's time namespace.

    Process 1 of a container does so too: it gets the orphans of all others. Call it before any clock is read. Raises
    CommandNotExecutableError if no process can be started, and ConfigError if /proc does not show this process's own
    PID namespace: its numbers would be those of strangers.
    """
    _check_proc()
    try:
        enter_time_namespace()
        if os.getpid() == 1 or proctree.children(os.getpid()):
            continue_in_child()
    except OSError as error:
        raise no_process(error) from error


def _check_proc() -> None:
    try:
        shown = os.readlink("/proc/self")
    except OSError as error:
        raise ConfigError(
            f"/proc: {error.strerror}", "mount it: cronguard needs it to find the processes of a job"
        ) from error
    if shown != str(os.getpid()):
        raise ConfigError(
            "/proc is of another PID namespace, so a job's processes cannot be told from others",
            "mount a /proc of its own in the container (unshare --mount-proc, bwrap --proc /proc)",
        )
    if _namespace_of_children() != os.readlink("/proc/self/ns/pid"):
        raise ConfigError(
            "a job would start in another PID namespace than cronguard",
            "start cronguard with unshare --pid --fork",
        )


def _namespace_of_children() -> str | None:
    """Return the PID namespace of children, None for one without a process 1, which starts with the first child."""
    name = "pid_for_children"
    if name not in os.listdir("/proc/self/ns"):  # before Linux 4.12
        return os.readlink("/proc/self/ns/pid")
    try:
        return os.readlink(f"/proc/self/ns/{name}")
    except FileNotFoundError:
        return None
