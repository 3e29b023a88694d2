"""The places on a node that doctor looks at."""

from typing import NamedTuple

from cronguard.system.log import SOCKET


class Places(NamedTuple):
    """The real places; tests name others, as they cannot have their own cron or syslog."""

    processes: str = "/proc"
    mounts: str = "/proc/self/mountinfo"
    syslog: str = SOCKET
    systemd: str = "/run/systemd/system"  # exists only if systemd is the init system: sd_booted(3)
    units: tuple[str, ...] = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
    cron_path: str = "/usr/bin:/bin"  # the PATH that Debian's cron and cronie give to a job
