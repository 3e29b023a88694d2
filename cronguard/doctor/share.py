"""The directory of dir: and file:, as its users see it: who may write there, and whether all of it is open to them."""

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from cronguard.doctor.finding import Finding, note, ok, problem, warning
from cronguard.doctor.media import judge_locks, judge_room, judge_share, mounted_at
from cronguard.store.contract import storage_errors
from cronguard.store.gate import try_lock

_MOST = 2000  # folders: what is wrong with one of them is mostly wrong with many


class Folder(NamedTuple):
    """A folder's owner, group and mode."""

    path: str
    owner: int
    group: int
    mode: int

    @classmethod
    def at(cls, path: str) -> "Folder":
        """Look."""
        found = os.stat(path, follow_symlinks=False)
        return cls(path, found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode))


def judge_directory(url: str, root: str, mounts: str) -> list[Finding]:
    """Look at all of it; nothing is said of a directory that is not there, since the backend says so."""
    if not os.path.isdir(root):
        return []
    with storage_errors(root):
        access = judge_access(Folder.at(root), _folders_below(root))
    findings = [
        access,
        judge_share(root, mounted_at(root, mounts)),
        judge_room("backend-room", root, os.statvfs(root)),
    ]
    return [*findings, judge_locks(root, try_lock)] if url.startswith("file:") else findings


def _folders_below(root: str) -> list[Folder]:
    """Return the folders down to the names of the jobs; what is below those comes and goes."""
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
    """Find folders that are closed to some who may use the root, and a root that is open to all."""
    if root.mode & stat.S_IWOTH:
        told = f"{root.path} can be written by every user (mode {root.mode:04o}): each could take any job's lease"
        return warning("backend-access", told, f"give it a group: chgrp GROUP, and chmod 2770 {root.path}")
    for folder in below:
        if trouble := _closed(root, folder):
            why, fix = trouble
            told = f"{folder.path} {why}, unlike {root.path}: others cannot use it"
            return problem("backend-access", told, fix)
    if not root.mode & stat.S_IWGRP:
        told = f"{root.path} is for its owner alone (uid {root.owner}, mode {root.mode:04o})"
        hint = f"for jobs of other users, too: chgrp GROUP, and chmod 2770 {root.path}"
        return note("backend-access", told, hint)
    return ok("backend-access", f"{root.path} is for the group {_group(root.group)}, mode {root.mode:04o}")


def _closed(root: Folder, folder: Folder) -> tuple[str, str] | None:
    """Return why, and what to do. The superuser's own store is open to him, whoever has made what is in it."""
    if root.owner and folder.owner != root.owner and not root.mode & stat.S_IWGRP:
        return f"belongs to the uid {folder.owner}", f"chown -R {root.owner} {root.path}"
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
