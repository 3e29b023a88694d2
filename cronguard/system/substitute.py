"""A directory on this machine's disk, for a state directory on a file server: caches must not hang with it."""

import binascii
import os
import stat
from contextlib import suppress

from cronguard.system.mounts import mounts_here, remote_mount_of

_DISK = "/var/tmp"  # noqa: S108 - what others put there is not used; it is kept over a reboot


def substitute(root: str) -> str:
    """Return the directory to use instead of `root` if that is on a file server; else, or if there is none, `root`."""
    try:
        mountinfo = mounts_here()
    except OSError:
        return root
    if remote_mount_of(mountinfo, root) and not remote_mount_of(mountinfo, _DISK):
        place = place_of(root, os.geteuid())
        with suppress(OSError):
            os.mkdir(os.path.dirname(place), 0o700)
        if is_ours(place):
            return place
    return root


def place_of(root: str, uid: int) -> str:
    """Return where a user's substitute for `root` is, if there is one."""
    return f"{_DISK}/cronguard-{uid}/{binascii.crc32(os.fsencode(root)):08x}"


def is_ours(place: str) -> bool:
    """Return whether a substitute's directory belongs to this user alone.

    The files in it decide when this node takes over, and others can make a directory of that name first.
    """
    try:
        found = os.lstat(os.path.dirname(place))
    except OSError:
        return False
    is_closed = stat.S_ISDIR(found.st_mode) and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return is_closed and found.st_uid == os.geteuid()
