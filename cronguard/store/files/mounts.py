"""Whether the locks of a mounted file system reach other machines, according to the kernel's list of mounts."""

from cronguard.system.mounts import Mount, mount_of

INSTEAD = "mount it with locks that the server keeps (for NFS: vers=4.2), or use dir:, which needs no locks"
LONGER = "give the job a ttl of 120 or more, or use dir:"
# Seconds. Linux's NFS server keeps the locks of a client that is gone for 90 (its lease), and after a restart grants none
# for as long (its grace time). A try that has just failed then takes up to ten.
_NFS_OUTAGE = 100.0
_LOCAL_TYPES = {"9p", "virtiofs", "vboxsf"}  # their servers ignore locks or never receive them
_HERE_ONLY, _OLD_READS = "its locks do not reach other machines", "data read under a lock may be stale"
_UNSAFE_OPTIONS = {
    "nolock": _HERE_ONLY,
    "local_lock=flock": _HERE_ONLY,
    "local_lock=posix": _HERE_ONLY,
    "local_lock=all": _HERE_ONLY,
    "nobrl": _HERE_ONLY,  # CIFS
    "cache=loose": _OLD_READS,
    "cache=singleclient": _OLD_READS,
    "localflock": _HERE_ONLY,  # Lustre
    "localflocks": _HERE_ONLY,  # GFS2 and OCFS2
}


def refusal(mountinfo: str, path: str, recover_lost_locks: str) -> str | None:
    """Return why lock files at `path` are not safe, or None if they are. INSTEAD is the hint for it.

    `mountinfo` is the text of /proc/self/mountinfo, `path` an absolute path without symbolic links, and
    `recover_lost_locks` the value of the nfs module's parameter of that name (empty if there is no such module).
    """
    mount = mount_of(mountinfo, path)
    if mount is None:
        return f"{path} is on no mount that this process can see, so it is not known whether its locks work"
    why = _fault(mount, recover_lost_locks)
    return f"{path} {why}" if why else None


def too_short(mount: Mount | None, run_for: float) -> str | None:
    """Return what is wrong with a lease that lasts `run_for` seconds without an answer; None if it is long enough.

    A node that dies or is cut off while it holds a file's lock keeps all others from it until the server takes it back.
    LONGER is the hint for it.
    """
    if mount is None or mount.kind not in ("nfs", "nfs4") or run_for >= _NFS_OUTAGE:
        return None
    return (
        f"{mount.point} is on NFS, where a node that dies may hold a lock for 90s; a job of this ttl is stopped after "
        f"{run_for:g}s without the lock"
    )


def _fault(mount: Mount, recover_lost_locks: str) -> str | None:
    if mount.kind.split(".")[0] in ("fuse", "fuseblk") or mount.kind in _LOCAL_TYPES:
        return f"is on {mount.kind}, whose locks may not reach other machines"
    if option := min(mount.options & _UNSAFE_OPTIONS.keys(), default=None):
        return f"is mounted with {option}: {_UNSAFE_OPTIONS[option]}"
    if mount.kind in ("nfs", "nfs4"):
        return _nfs_fault(mount, recover_lost_locks)
    return None


def _nfs_fault(mount: Mount, recover_lost_locks: str) -> str | None:
    version = next((o for o in mount.options if o.startswith("vers=")), f"type {mount.kind}")
    if not version.startswith(("vers=4", "type nfs4")):
        return f"is on NFS with {version}: a delayed write still takes effect after its lock was lost"
    if recover_lost_locks.strip() in ("Y", "1"):
        return "is on NFS with nfs.recover_lost_locks=1: a lock that was lost to another node still counts as held"
    return None
