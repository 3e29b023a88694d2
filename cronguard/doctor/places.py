"""Where a node keeps what is looked at."""

from typing import NamedTuple

from cronguard.system.log import SOCKET


class Places(NamedTuple):
    """The real ones; tests that cannot have a cron or a syslog of their own name others."""

    processes: str = "/proc"
    mounts: str = "/proc/self/mountinfo"
    syslog: str = SOCKET
    systemd: str = "/run/systemd/system"  # there only where systemd is what was booted: sd_booted(3)
    units: tuple[str, ...] = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
    cron_path: str = "/usr/bin:/bin"  # what Debian's cron and cronie give to a job
