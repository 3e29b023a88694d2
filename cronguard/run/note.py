"""A note in /run about a command that is running, for the case that its guard and its keeper are killed together.

Guard and keeper both hold a kernel lock of the note's file, which the command never inherits. A note that nobody holds
is what a dead run left; see `leftovers.py`. It lies in memory (/run), so neither writing nor reading it can hang.
"""

import binascii
import fcntl
import json
import os
import stat
from contextlib import suppress
from typing import NamedTuple

from cronguard.system.clock import clock_name
from cronguard.system.proctree import Stat

_LARGEST = 4096  # bytes
_NEW = ".new"  # until it is written and locked, nobody looks at it


class Note(NamedTuple):
    """What must be known to end a run's processes: its mark, the command's own process, and the session it was in.

    `boot` and `pids` say on which boot, and in which PID namespace, the numbers mean anything. `kill_after` is seconds.
    """

    job: str
    run: str
    leader: Stat
    session: int
    kill_after: float
    boot: str
    pids: str

    @property
    def is_ours(self) -> bool:
        """Whether its numbers are numbers of our own boot and PID namespace."""
        return (self.boot, self.pids) == (clock_name(), pid_namespace())


def pid_namespace() -> str:
    """Return the kernel's name of our PID namespace."""
    return os.readlink("/proc/self/ns/pid")


def folder_for(state: str) -> str | None:
    """Return this user's directory for notes, made if need be; None if this machine has no safe place for one.

    Runs with different state directories do not know each other.
    """
    for place in _places():
        with suppress(OSError):
            for path in (place, _within(place, state)):
                _make_own(path, os.getuid())
            return path
    return None


def written(state: str) -> list[str]:
    """Return the paths of all notes. A user who logs in gets another place in /run, so all places are looked at."""
    found = []
    for place in _places():
        with suppress(OSError):
            for path in (place, _within(place, state)):
                _check_own(path, os.getuid())
            found += [f"{path}/{name}" for name in os.listdir(path) if not name.endswith(_NEW)]
    return found


def _places() -> list[str]:
    uid = os.getuid()
    return ["/run/cronguard"] if uid == 0 else [f"/run/lock/cronguard-{uid}", f"/run/user/{uid}/cronguard"]


def _within(place: str, state: str) -> str:
    return f"{place}/{binascii.crc32(os.fsencode(state)):08x}"


def _make_own(path: str, uid: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    _check_own(path, uid)


def _check_own(path: str, uid: int) -> None:
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o022:
        raise PermissionError(path)


def write(folder: str, note: Note) -> tuple[str, int]:
    """Write a note and hold it; return its path and descriptor. Raises OSError.

    It is locked before it has its name, so nobody can take it for a dead run's.
    """
    path = f"{folder}/{note.run}"
    fd = os.open(f"{path}{_NEW}", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.write(fd, json.dumps(note._asdict()).encode())
    os.rename(f"{path}{_NEW}", path)
    return path, fd


def hold(path: str) -> int | None:
    """Hold a note that somebody else has written; None if it is gone."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return fd
    return None


def take(path: str) -> tuple[int, Note | None] | None:
    """Take over the note of a dead run: return a descriptor that holds it alone, and the note if it can be read.

    Returns None while its guard or keeper lives, or while another process is already taking care of it.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd, _read(fd)


def _read(fd: int) -> Note | None:
    with suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(os.read(fd, _LARGEST))
        known["leader"] = Stat(*known["leader"])
        return Note(**known)
    return None
