"""The counters of this node: how the runs of its users ended, and why runs were skipped."""

import os
import pwd
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from cronguard.model.job import is_name
from cronguard.system.mounts import kind_of, mounts_here
from cronguard.system.statedir import FULL, StateDir
from cronguard.system.substitute import place_of

# Seconds: a counter that has not grown for so long belongs to a job that no longer exists, not to a quarterly job.
_FORGOTTEN = 100 * 86400.0
_MOST = 10_000  # files that are read: a user could make millions of them, and Prometheus would keep them all
_LOCAL = {"bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "tmpfs", "xfs", "zfs"}


class Event(NamedTuple):
    """What is counted: `kind` is `run` or `skip`, `word` the outcome or the reason, `user` the owner of the run."""

    kind: str
    ns: str
    job: str
    word: str
    user: str


def counted(state: StateDir, node: str, wall: float, *, all_users: bool) -> dict[Event, int]:
    """Return the counters of this node and user, or those of all its users who keep them in their home directories.

    Home directories that may be on another machine's disk are skipped: reading them could take for ever.
    """
    _tidy(state.counters, wall)
    found = _read(state.counters)
    if all_users:
        for folder in _in_homes(node):
            for event, value in _read(folder).items():
                found[event] = found.get(event, 0) + value
    return dict(sorted(found.items()))


def _read(folder: str) -> dict[Event, int]:
    found: dict[Event, int] = {}
    for path, (kind, ns, job, word) in _files(folder):
        with suppress(OSError):
            about = os.lstat(path)
            found[Event(kind, ns, job, word, _user(about.st_uid))] = min(about.st_size, FULL)
    return found


def _tidy(folder: str, wall: float) -> None:
    for path, _ in _files(folder):
        with suppress(OSError):
            if wall - os.lstat(path).st_mtime > _FORGOTTEN:
                os.unlink(path)


def _files(folder: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the files that are named like counters, with the parts of their names; other files are not ours to touch."""
    with suppress(OSError), os.scandir(folder) as files:
        for file in islice(files, _MOST):
            parts = file.name.split("@")
            if len(parts) == 4 and parts[0] in ("run", "skip") and all(map(is_name, parts)):
                yield file.path, parts


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _in_homes(node: str) -> list[str]:
    mountinfo = mounts_here()
    users = {(entry.pw_dir.rstrip("/"), entry.pw_uid) for entry in pwd.getpwall() if entry.pw_uid}
    roots = {(f"{home}/.local/state/cronguard", uid) for home, uid in users if os.path.isabs(f"{home}/")}
    # A home directory on a file server has a substitute on this machine's disk.
    tops = {root for root, _ in roots} | {place_of(root, uid) for root, uid in roots}
    folders = (f"{top}/node/{node}/counters" for top in sorted(tops))
    return [folder for folder in folders if _is_here(folder, mountinfo)]


def _is_here(folder: str, mountinfo: str) -> bool:
    """Return whether it is a directory on a disk of this machine. Looks only where that cannot hang.

    Symbolic links are not followed: through one, a user could lead root anywhere.
    """
    path = ""
    for name in folder.split("/")[1:]:
        path = f"{path}/{name}"
        if kind_of(mountinfo, path) not in _LOCAL or os.path.islink(path) or not os.path.isdir(path):
            return False
    return True
