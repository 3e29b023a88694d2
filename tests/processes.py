"""The processes of this machine as the kernel shows them, and ways to wait for them."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

LIMIT = 60.0  # seconds: only something broken takes this long, even on a busy machine


def boot():
    """Return the boot time: all safety statements refer to this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_until(fact, what="it", limit=LIMIT):
    """Return the first true value of `fact()`."""
    give_up_at = boot() + limit
    while not (value := fact()):
        assert boot() < give_up_at, f"{what}: not within {limit:g} s"
        time.sleep(0.02)
    return value


class Seen(NamedTuple):
    """A process; its start time distinguishes it from a later process with the same PID."""

    pid: int
    parent: int
    group: int
    session: int
    foreground: int
    start: int
    state: str

    @classmethod
    def of(cls, pid):
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        parent, group, session, foreground = (int(fields[i]) for i in (1, 2, 3, 5))
        return cls(int(pid), parent, group, session, foreground, int(fields[19]), fields[0].decode())

    @property
    def is_alive(self):
        now = Seen.of(self.pid)
        return now is not None and now.start == self.start and now.state not in "ZX"

    @property
    def is_stopped(self):
        now = Seen.of(self.pid)
        return now is not None and now.state == "T"

    def send(self, signum):
        if self.is_alive:
            os.kill(self.pid, signum)


def processes():
    """Return all processes that are not zombies."""
    found = (Seen.of(name) for name in os.listdir("/proc") if name.isdecimal())
    return [seen for seen in found if seen and seen.state not in "ZX"]


def children(pid):
    return [seen for seen in processes() if seen.parent == pid]


def words(pid):
    """Return a process's arguments; none for one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def mentioning(text):
    """Return the processes that have the text in their arguments or in their environment."""
    return [seen for seen in processes() if _mentions(seen.pid, os.fsencode(text))]


def _mentions(pid, text):
    for name in ("cmdline", "environ"):
        with suppress(OSError):
            if text in Path(f"/proc/{pid}/{name}").read_bytes():
                return True
    return False
