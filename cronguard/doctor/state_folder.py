"""Checks of the state directory: it is writable, belongs to its user alone, and is on a local disk with room."""

import os
import stat
from contextlib import suppress
from itertools import islice

from cronguard.doctor.finding import Finding, ok, problem
from cronguard.doctor.media import judge_home, judge_room
from cronguard.doctor.places import Places
from cronguard.system.mounts import Mount, remote_mount_of
from cronguard.system.statedir import StateDir

_MOST = 10_000  # files that are checked: it takes a moment, and a node has fewer
_HINT = "chown it to the user who runs the jobs, or set state_dir to a directory of that user"


def judge_state(state: StateDir, places: Places) -> list[Finding]:
    """Check the state directory; create it if it is missing, as the first run would."""
    try:
        os.makedirs(state.base, mode=0o700, exist_ok=True)
        state.store("doctor", "", b"1")
        is_kept = state.load("doctor", "") == b"1"
        state.remove("doctor", "")
        found = os.stat(state.base)
    except OSError as error:
        return [problem("state-folder", f"{error.filename or state.base}: {error.strerror}", _HINT)]
    if not is_kept:
        return [problem("state-folder", f"{state.base}: nothing can be stored there", _HINT)]
    return [
        judge_owner(state.base, found.st_uid, stat.S_IMODE(found.st_mode), os.geteuid()),
        judge_home(state.root, _remote_mount(state.root, places.mounts), state.base),
        judge_room("state-room", state.base, os.statvfs(state.base)),
    ]


def _remote_mount(path: str, mounts: str) -> Mount | None:
    with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
        return remote_mount_of(file.read(), path)


def judge_owner(path: str, owner: int, mode: int, me: int) -> Finding:
    """Report a directory that other users could write to: the files there decide when this node takes over."""
    if owner not in (0, me):
        return problem("state-folder", f"{path} belongs to another user (UID {owner})", _HINT)
    if mode & stat.S_IWOTH:
        return problem("state-folder", f"{path} is writable by every user", f"chmod o-w {path}")
    if stray := _of_another(path, owner):
        told = f"{stray} does not belong to UID {owner}, unlike {path}: runs of that UID cannot store their state there"
        return problem("state-folder", told, f"chown -R {owner} {path}")
    return ok("state-folder", path)


def _of_another(path: str, owner: int) -> str | None:
    """Return a file in a user's directory that is not that user's. Root can write to any file in its own."""
    names = (f"{at}/{name}" for at, folders, files in os.walk(path) for name in (*folders, *files))
    found = islice(names, _MOST) if owner else ()
    for name in found:
        with suppress(FileNotFoundError):
            if os.lstat(name).st_uid != owner:
                return name
    return None
