"""What a folder lies on: how it is mounted, how much room is left, and whether its kernel locks exclude."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from cronguard.doctor.finding import Finding, note, ok, problem, warning
from cronguard.store.files.fileport import unique
from cronguard.store.files.mounts import Mount, mount_of
from cronguard.system.linux import die_with_parent
from cronguard.system.signals import fork

_NFS = ("nfs", "nfs4")
_REMOTE = frozenset({"cifs", "smb3", "ceph", "lustre", "glusterfs", "9p", "virtiofs", "vboxsf", "afs"})
# Sixteen versions of a thousand entries of a few KiB each, some of them being written.
_LEAST_BYTES, _LEAST_FILES = 32 << 20, 5000


def mounted_at(path: str, mounts: str) -> Mount | None:
    """Return the mount of a path, or of the nearest folder above it that is there."""
    there = os.path.realpath(path)
    while not os.path.lexists(there) and there != "/":
        there = os.path.dirname(there)
    with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
        return mount_of(file.read(), there)


def judge_share(path: str, mount: Mount | None) -> Finding:
    """Find mounts on which versions of `dir:` may get lost, or jobs with them."""
    if mount is None:
        return problem("mount", f"{path} lies in no mount that this process sees", "mount | column -t")
    where = f"{path} is on {mount.kind} at {mount.point}"
    if mount.kind in _NFS:
        return _judge_nfs(where, mount.options)
    if mount.kind in ("tmpfs", "ramfs"):
        told = f"{where}, in this machine's memory: a boot empties it, and other nodes do not see it"
        return warning("mount", told, "give it a place on a disk that all nodes share")
    if mount.kind in _REMOTE or mount.kind.startswith("fuse"):
        hint = "try it, on all nodes at the same time: cronguard doctor --verify --with OTHER,..."
        return note("mount", f"{where}, on which it has not been tested", hint)
    hint = "all is well if this machine is the file server, or the disk a shared one"
    return note("mount", f"{where}, a disk of this machine: other nodes must see the same", hint)


def _judge_nfs(where: str, options: frozenset[str]) -> Finding:
    if soft := options & {"soft", "softerr"}:
        told = f"{where}, mounted {min(soft)}: when the server is slow, what was asked of it is given up half-way"
        return warning("mount", told, "mount it hard, the default; cronguard has time limits of its own")
    return ok("mount", f"{where}{', mounted noac: not needed, and slow' if 'noac' in options else ''}")


def judge_home(path: str, mount: Mount | None) -> Finding:
    """Find a state folder that hangs when a server does."""
    if mount and (mount.kind in {*_REMOTE, *_NFS} or mount.kind.startswith("fuse")):
        told = f"{path} is on {mount.kind} at {mount.point}: when that hangs, so does what is to notice it"
        return warning("state-mount", told, 'set state_dir = "/var/lib/cronguard" or another on a local disk')
    return ok("state-mount", f"{path} is on {mount.kind if mount else 'a disk'}")


def judge_room(name: str, path: str, room: os.statvfs_result) -> Finding:
    """Find a disk that is about to be full. File systems that do not count files say that there are none."""
    left = room.f_bavail * room.f_frsize
    if left < _LEAST_BYTES:
        return problem(name, f"{path}: {left >> 10} KiB are left", f"make room: df {path}")
    if room.f_files > 0 and room.f_favail < _LEAST_FILES:
        return problem(name, f"{path}: room for {room.f_favail} files is left", f"make room: df -i {path}")
    return ok(name, f"{path}: {left >> 20} MiB are left")


def judge_locks(folder: str, lock: Callable[[int], bool]) -> Finding:
    """Find kernel locks that two processes can hold at once; `lock` tries to get one."""
    path = f"{folder}/.doctor-{unique()}"
    try:
        with open(path, "x", encoding="ascii") as file:
            fault = _contest(path, file.fileno(), lock)
    finally:
        with suppress(OSError):
            os.unlink(path)
    if fault:
        return problem("locks", f"{folder}: {fault}", "use dir:, which needs no locks, or see the server's")
    return ok("locks", f"the kernel locks of {folder} exclude")


def _contest(path: str, fd: int, lock: Callable[[int], bool]) -> str | None:
    """Say what is wrong with a lock that another process has, and with what is left of it when that one has gone."""
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
            return "a file that nobody has locked cannot be locked"
        if lock(fd):
            return "two processes had the lock of one file at once"
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return None if lock(fd) else "a file stays locked when the process that locked it has gone"
