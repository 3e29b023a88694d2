"""Checks of the disk under a directory: how it is mounted, how much room is left, and whether kernel locks work."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from cronguard.doctor.finding import Finding, note, ok, problem, warning
from cronguard.store.files.fileport import unique
from cronguard.system.linux import die_with_parent
from cronguard.system.mounts import Mount, is_remote, mount_of
from cronguard.system.signals import fork

_NFS = ("nfs", "nfs4")
# Room for sixteen versions of a thousand entries of a few KiB each, some of them being written.
_LEAST_BYTES, _LEAST_FILES = 32 << 20, 5000


def mounted_at(path: str, mounts: str) -> Mount | None:
    """Return the mount of a path, or of its nearest parent directory that exists."""
    there = os.path.realpath(path)
    while not os.path.lexists(there) and there != "/":
        there = os.path.dirname(there)
    with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
        return mount_of(file.read(), there)


def judge_share(path: str, mount: Mount | None) -> Finding:
    """Report mounts on which `dir:` may lose versions of entries, and with them jobs."""
    if mount is None:
        return problem(
            "mount", f"{path} is on no mount that this process can see", "check the mounts: mount | column -t"
        )
    where = f"{path} is on {mount.kind} at {mount.point}"
    if mount.kind in _NFS:
        return _judge_nfs(where, mount.options)
    if mount.kind in ("tmpfs", "ramfs"):
        told = f"{where}, in this machine's memory: a reboot empties it, and other nodes cannot see it"
        return warning("mount", told, "move it to a disk that all nodes share")
    if is_remote(mount):
        hint = "test it on all nodes at the same time: cronguard doctor --verify --with OTHER,..."
        return note("mount", f"{where}, on which cronguard has not been tested", hint)
    hint = "nothing, if this machine is the file server, or if the disk is shared"
    return note("mount", f"{where}, a disk of this machine: other nodes must see the same directory", hint)


def _judge_nfs(where: str, options: frozenset[str]) -> Finding:
    if soft := options & {"soft", "softerr"}:
        told = f"{where}, mounted {min(soft)}: when the server is slow, operations are given up half-way"
        return warning(
            "mount", told, "mount it hard, which is the default; cronguard has its own time limits"
        )
    return ok(
        "mount", f"{where}{', mounted noac, which is slow and not needed' if 'noac' in options else ''}"
    )


def judge_home(path: str, mount: Mount | None, base: str) -> Finding:
    """Report a state directory that hangs when a file server does; `base` is the one that is used for caches."""
    if mount and is_remote(mount):
        told = f"{path} is on {mount.kind} at {mount.point}: if that hangs, so do the processes that must notice it"
        if base != path:
            told = f"{path} is on {mount.kind} at {mount.point}, which can hang, so {base} is used instead, except by local"
        return warning(
            "state-mount", told, 'set state_dir = "/var/lib/cronguard", or another directory on a local disk'
        )
    return ok("state-mount", f"{path} is on a disk of this machine")


def judge_room(name: str, path: str, room: os.statvfs_result) -> Finding:
    """Report a disk that is almost full. File systems that do not count files report a total of zero."""
    left = room.f_bavail * room.f_frsize
    if left < _LEAST_BYTES:
        return problem(name, f"{path}: only {left >> 10} KiB are left", f"make room: df {path}")
    if room.f_files > 0 and room.f_favail < _LEAST_FILES:
        return problem(
            name, f"{path}: only room for {room.f_favail} files is left", f"make room: df -i {path}"
        )
    return ok(name, f"{path}: {left >> 20} MiB are left")


def judge_locks(folder: str, lock: Callable[[int], bool]) -> Finding:
    """Report kernel locks that two processes can hold at once; `lock` tries to take one."""
    path = f"{folder}/.doctor-{unique()}"
    try:
        with open(path, "x", encoding="ascii") as file:
            fault = _contest(path, file.fileno(), lock)
    except OSError as error:  # a disk that is read-only, or full, is reported by the other checks
        return note("locks", f"kernel locks in {folder} could not be tried: {error.strerror}")
    finally:
        with suppress(OSError):
            os.unlink(path)
    if fault:
        return problem(
            "locks",
            f"{folder}: {fault}",
            "use dir:, which needs no locks, or check the locks of the file server",
        )
    return ok("locks", f"kernel locks in {folder} provide mutual exclusion")


def _contest(path: str, fd: int, lock: Callable[[int], bool]) -> str | None:
    """Return what is wrong with a lock while another process holds it, and after that process has gone."""
    reader, writer = os.pipe()

    def hold() -> None:
        die_with_parent(signal.SIGKILL)
        own = os.open(path, os.O_RDWR)
        os.write(writer, b"1" if lock(own) else b"0")
        signal.pause()

    pid = fork(hold)
    os.close(writer)
    try:
        if os.read(reader, 1) != b"1":
            return "a file that is not locked cannot be locked"
        if lock(fd):
            return "two processes held the lock on one file at once"
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return None if lock(fd) else "a file stays locked after the process that locked it has gone"
