"""Checks of the directory of dir: and file:: who may write there, and whether its users may use all of it."""

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from cronguard.doctor.finding import Finding, note, ok, problem, warning
from cronguard.doctor.media import judge_locks, judge_room, judge_share, mounted_at
from cronguard.store.contract import storage_errors
from cronguard.store.files.mounts import LONGER, too_short
from cronguard.store.gate import try_lock
from cronguard.system.mounts import Mount

_MOST = 2000  # directories that are checked: a fault in one usually occurs in many


class Folder(NamedTuple):
    """A directory's owner, group and mode."""

    path: str
    owner: int
    group: int
    mode: int

    @classmethod
    def at(cls, path: str) -> "Folder":
        """Read them from the file system."""
        found = os.stat(path, follow_symlinks=False)
        return cls(path, found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def judge_directory(url: str, root: str, mounts: str, run_for: float) -> list[Finding]:
    """Check the directory, for leases that last `run_for` seconds without an answer.

    A missing directory is not reported here, because the backend reports it.
    """
    if not os.path.isdir(root):
        return []
    with storage_errors(root):
        access = judge_access(Folder.at(root), _folders_below(root))
        mount, room = mounted_at(root, mounts), os.statvfs(root)
        findings = [access, judge_share(root, mount), judge_room("backend-room", root, room)]
        return [*findings, *_judge_locking(root, mount, run_for)] if url.startswith("file:") else findings


def _judge_locking(root: str, mount: Mount | None, run_for: float) -> list[Finding]:
    told = too_short(mount, run_for)
    ttl = warning("ttl", told, LONGER) if told else ok("ttl", "a job outlives the lock of a node that dies")
    return [judge_locks(root, try_lock), ttl]


def _folders_below(root: str) -> list[Folder]:
    """Return the directories down to those of the jobs; the ones below come and go."""
    found: list[Folder] = []
    level = [f"{root}/v1", f"{root}/file-v1"]
    for _ in range(4):
        there = [Folder.at(path) for path in level if os.path.isdir(path)]
        found += there
        level = [f"{folder.path}/{name}" for folder in there for name in _names(folder.path)][:_MOST]
        if len(found) > _MOST:
            break
    return found


def _names(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))[:_MOST]


def judge_access(root: Folder, below: Iterable[Folder]) -> Finding:
    """Report directories that are closed to users who may use the root, and a root that is open to all users."""
    if root.mode & stat.S_IWOTH:
        told = f"{root.path} is writable by every user (mode {root.mode:04o}): any user could take any job's lease"
        return warning(
            "backend-access", told, f"give it a group: chgrp GROUP {root.path} && chmod 2770 {root.path}"
        )
    for folder in below:
        if trouble := _closed(root, folder):
            why, fix = trouble
            told = f"{folder.path} {why}, unlike {root.path}: other users cannot use it"
            return problem("backend-access", told, fix)
    if not root.mode & stat.S_IWGRP:
        told = f"{root.path} is open to its owner only (UID {root.owner}, mode {root.mode:04o})"
        hint = f"to open it to the jobs of other users: chgrp GROUP {root.path} && chmod 2770 {root.path}"
        return note("backend-access", told, hint)
    return ok(
        "backend-access", f"{root.path} is open to the group {_group(root.group)} (mode {root.mode:04o})"
    )


def _closed(root: Folder, folder: Folder) -> tuple[str, str] | None:
    """Return what is wrong and how to fix it. Root can use its own store, no matter who created what is in it."""
    if root.owner and folder.owner != root.owner and not root.mode & stat.S_IWGRP:
        return f"belongs to UID {folder.owner}", f"chown -R {root.owner} {root.path}"
    fix = f"chgrp -R {_group(root.group)} {root.path} && chmod -R g+rwX {root.path}"
    if root.mode & ~folder.mode & 0o777:
        return f"has mode {folder.mode:04o}", fix
    if root.mode & stat.S_IRWXG and folder.group != root.group:
        return f"has the group {_group(folder.group)}", fix
    return None


def _group(number: int) -> str:
    from grp import getgrgid

    try:
        return getgrgid(number).gr_name
    except KeyError:
        return str(number)
