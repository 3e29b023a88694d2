"""What a process has inherited from the processes that started it, as other processes can see it."""

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from processes import Seen, wait_until

_STATUS = [
    "Umask",
    "Uid",
    "Gid",
    "Groups",
    "SigBlk",
    "SigIgn",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Cpus_allowed_list",
    "Mems_allowed_list",
]


class Portrait(NamedTuple):
    """The inheritance of one process."""

    words: bytes
    environment: dict[bytes, bytes]
    descriptors: dict[int, tuple[str, str]]
    folder: str
    limits: str
    status: dict[str, str]
    priorities: tuple[Any, ...]
    session: int
    terminal: int

    @classmethod
    def of(cls, pid):
        """Return the portrait of a process that sleeps; it is taken again until two in a row are equal."""
        portraits = [None]

        def is_sharp():
            try:
                portraits.append(cls._taken(pid))
            except FileNotFoundError:  # a descriptor that was closed meanwhile
                portraits.append(None)
            time.sleep(0.1)
            return portraits[-1] and portraits[-2] == portraits[-1] and Seen.of(pid).state == "S"

        wait_until(is_sharp, f"a portrait of process {pid}")
        return portraits[-1]

    @classmethod
    def _taken(cls, pid):
        folder = Path(f"/proc/{pid}")
        status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines())
        stat = (folder / "stat").read_text().rpartition(")")[2].split()
        environment = (folder / "environ").read_bytes().split(b"\0")[:-1]
        descriptors = (int(name) for name in os.listdir(folder / "fd"))
        adjusted = (folder / "oom_score_adj").read_text()
        return cls(
            words=(folder / "cmdline").read_bytes(),
            environment=dict(entry.split(b"=", 1) for entry in environment),
            descriptors={fd: _descriptor(folder, fd) for fd in descriptors},
            folder=os.readlink(folder / "cwd"),
            limits=(folder / "limits").read_text(),
            status={name: status[name].strip() for name in _STATUS},
            priorities=(stat[16], os.sched_getscheduler(pid), adjusted),
            session=Seen.of(pid).session,
            terminal=int(stat[4]),
        )


def _descriptor(folder, fd):
    """Return the target of a descriptor and the flags it was opened with."""
    info = (folder / "fdinfo" / str(fd)).read_text().splitlines()
    return os.readlink(folder / "fd" / str(fd)), next(line for line in info if line.startswith("flags"))
