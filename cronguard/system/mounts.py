"""Which file system holds a path, according to the kernel's list of mounts. Nothing else is touched."""

import os
import re
from functools import lru_cache
from typing import NamedTuple

_REMOTE = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "ceph",
        "lustre",
        "glusterfs",
        "9p",
        "virtiofs",
        "vboxsf",
        "afs",
        "autofs",
    }
)
_LINKS = 40  # symbolic links that the kernel follows in one path


class Mount(NamedTuple):
    """What the kernel reports about one mount."""

    number: str
    parent: str
    point: str
    kind: str
    options: frozenset[str]


def mounts_here() -> str:
    """Return the text of this process's list of mounts."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def mount_of(mountinfo: str, path: str) -> Mount | None:
    """Return the mount that holds an absolute path without symbolic links; None if this process sees none."""
    return _holding(_parse(mountinfo), path)


def kind_of(mountinfo: str, path: str) -> str | None:
    """Return the type of the file system that holds such a path; None if this process sees none."""
    mount = mount_of(mountinfo, path)
    return mount.kind if mount else None


def remote_mount_of(mountinfo: str, path: str) -> Mount | None:
    """Return the mount to which an absolute path leads, if another machine or a process can make it hang; else None.

    Symbolic links are followed, but nothing behind such a mount is touched, because that could hang already. An
    automounter counts as remote as long as nothing is mounted there.
    """
    at, links = "", 0
    ahead = _names(path)
    mount = mount_of(mountinfo, "/")
    while ahead and (mount is None or not is_remote(mount) or mount.kind == "autofs"):
        name = ahead.pop()
        at = os.path.dirname(at).rstrip("/") if name == ".." else f"{at}/{name}"
        mount = mount_of(mountinfo, at or "/")
        if (mount is None or not is_remote(mount)) and (target := _link(at)) and links < _LINKS:
            links += 1
            at = "" if target.startswith("/") else os.path.dirname(at).rstrip("/")
            ahead += _names(target)
    return mount if mount and is_remote(mount) else None


def is_remote(mount: Mount) -> bool:
    """Return whether the file system can hang because of another machine, or of a process (FUSE)."""
    return mount.kind in _REMOTE or mount.kind.split(".")[0] in ("fuse", "fuseblk")


def _names(path: str) -> list[str]:
    """Return the names in a path, the first one last."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


@lru_cache(maxsize=1)  # many paths are looked up in one text
def _parse(mountinfo: str) -> tuple[Mount, ...]:
    """Parse the lines that proc(5) describes. The number of fields before the dash varies."""
    mounts = []
    for line in mountinfo.splitlines():
        about, _, source = line.partition(" - ")
        number, parent, _, _, point = about.split(" ")[:5]
        kind, _, options = source.split(" ", 2)
        mounts.append(Mount(number, parent, _unescaped(point), kind, frozenset(options.split(","))))
    return tuple(mounts)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def _holding(mounts: tuple[Mount, ...], path: str) -> Mount | None:
    """Follow the path from mount to mount, as the kernel does.

    Choosing the longest mount point would be wrong: a later mount may hide it.
    """
    numbers = {mount.number for mount in mounts}
    holding = None
    below = [m for m in mounts if m.parent not in numbers or m.parent == m.number]
    while nearest := min(
        (m for m in below if _lies_in(path, m.point)), key=lambda m: len(m.point), default=None
    ):
        holding = nearest
        below = [m for m in mounts if m.parent == nearest.number != m.number]
    return holding


def _lies_in(path: str, point: str) -> bool:
    return f"{path}/".startswith(f"{point.rstrip('/')}/")
