"""The state directory, which holds this node's own data: sightings, the gate, the local backend."""

import errno
import os
import stat
from contextlib import suppress

from cronguard.system.errors import ConfigError

_MOST_COUNTERS = 5000  # files: a job whose name changes each time must not fill the disk
FULL = 65536  # bytes, one for each event: a job that runs every minute gets there in six weeks


# How the kernel's list of mounts names the file systems that can hang (see system/mounts.py).
_SERVED = tuple(
    f" - {kind}".encode()
    for kind in "nfs cifs smb3 ceph lustre glusterfs 9p virtiofs vboxsf afs autofs fuse".split()
)


class StateDir:
    """A node's directory on its own disk. All of it except the local backend is advice: losing it only costs time.

    Without an explicit path, it is `/var/lib/cronguard` for root, otherwise `$XDG_STATE_HOME/cronguard` or
    `~/.local/state/cronguard`. Many machines may share a home directory, so a node's own data are in a subdirectory
    with the node's name. `root` is the configured directory. `base` is another one if that is on a file server, because
    everything but the local backend must be usable when the server hangs. Raises ConfigError if no path is given and this user has no home directory.
    """

    def __init__(self, path: str | None, node: str) -> None:
        self.root = os.path.abspath(path or default_root())  # the keeper changes its working directory
        self.base = _local(self.root)
        self._own = f"{self.base}/node/{node}"

    def path(self, kind: str, what: str) -> str:
        """Return the path of a small file of this kind about `what` (any text)."""
        return f"{self._own}/{kind}/{file_name(what)}"

    def load(self, kind: str, what: str) -> bytes:
        """Return what was stored; empty if nothing was stored or it cannot be read."""
        try:
            with open(self.path(kind, what), "rb") as file:
                return file.read()
        except OSError:
            return b""

    def store(self, kind: str, what: str, data: bytes) -> None:
        """Replace what is stored, completely or not at all. A failure is ignored."""
        self.write(self.path(kind, what), data)

    def write(self, path: str, data: bytes) -> None:
        """Replace a file in this directory, completely or not at all. A failure is ignored, and leaves nothing behind.

        Containers can share the directory and have the same process IDs, so the temporary file has a random name.
        """
        aside = f"{path}.{os.getpid()}-{os.urandom(4).hex()}"
        try:
            with open(self.open(aside, os.O_WRONLY), "wb") as file:
                file.write(data)
            os.replace(aside, path)
        except OSError:
            with suppress(OSError):
                os.unlink(aside)

    def open(self, path: str, flags: int) -> int:
        """Open a file in this directory, and create it if necessary; raises OSError.

        A file that root creates in another user's directory is given to that user, whose runs must be able to write it.
        Others who can write there cannot redirect cronguard with a symbolic link, or block it with a pipe.
        """
        flags |= os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            fd = os.open(path, flags)
        except FileNotFoundError:
            self.make_folder(os.path.dirname(path))
            fd = os.open(path, flags | os.O_CREAT, 0o600)
            self._give(path)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", path)

    def make_folder(self, path: str) -> None:
        """Create a directory in this one, and its parents, all with this one's owner; raises OSError."""
        if os.path.isdir(path):
            return
        if path in (self.root, self.base):
            os.makedirs(path, mode=0o700, exist_ok=True)
            return
        self.make_folder(os.path.dirname(path))
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
            self._give(path)

    def _give(self, path: str) -> None:
        top = self.base if path.startswith(f"{self.base}/") else self.root
        if os.geteuid() == 0 and (owner := os.stat(top)).st_uid:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def remove(self, kind: str, what: str) -> None:
        """Remove what is stored, if anything."""
        with suppress(OSError):
            os.unlink(self.path(kind, what))

    @property
    def counters(self) -> str:
        """The directory of the counters. Each counter is a file, and its size is the value."""
        return f"{self._own}/counters"

    def count(self, *labels: str) -> None:
        """Add one to the counter with these labels, none of which contains a `@`. A failure is ignored.

        The counter's file grows by a byte, so there is no lock to wait for, and a crash leaves nothing half done. A full
        counter starts again at 0, which readers of counters expect.
        """
        with suppress(OSError):
            fd = self._open_counter(f"{self.counters}/{'@'.join(labels)}")
            try:
                os.write(fd, b".")
                if os.fstat(fd).st_size >= FULL:
                    os.ftruncate(fd, 0)
            finally:
                os.close(fd)

    def _open_counter(self, path: str) -> int:
        if not os.path.lexists(path):
            self.make_folder(self.counters)
            if len(os.listdir(self.counters)) >= _MOST_COUNTERS:
                raise OSError(errno.ENFILE, "too many counters", path)
        return self.open(path, os.O_WRONLY | os.O_APPEND)

    def age(self, kind: str, what: str, wall: float) -> float | None:
        """Return how many seconds ago it was stored; None if it does not exist."""
        try:
            return wall - os.stat(self.path(kind, what)).st_mtime
        except OSError:
            return None


def file_name(what: str) -> str:
    """Return a short file name for any text."""
    import binascii

    raw = os.fsencode(what)
    return f"{binascii.crc32(raw):08x}-{len(raw)}"


def _local(root: str) -> str:
    """Return where to keep what must not hang: in `root`, unless that is on a file server.

    On most machines it is not. This costs a run much less than importing what knows for certain.
    """
    with suppress(OSError), open("/proc/self/mountinfo", "rb") as file:
        served = {line.split(b" ")[4] for line in file if any(kind in line for kind in _SERVED)}
        if served and _may_lead_to(served, os.fsencode(root)):
            from cronguard.system.substitute import substitute

            return substitute(root)
    return root


def _may_lead_to(points: set[bytes], path: bytes) -> bool:
    """Return whether a path may lead to one of these mount points. None of them, and nothing behind them, is touched."""
    if any(b"\\" in point for point in points):  # such a name is not compared as it stands
        return True
    at = b""
    for name in path.split(b"/"):
        at = at.rstrip(b"/") + b"/" + name
        if at in points or os.path.islink(at):
            return True
    return False


def default_root() -> str:
    """Return the state directory of a user who has not configured one; raises ConfigError if there is no place for it."""
    if os.geteuid() == 0:
        return "/var/lib/cronguard"
    path = f"{os.environ.get('XDG_STATE_HOME') or f'{_home()}/.local/state'}/cronguard"
    if os.path.isabs(path):
        return path
    raise ConfigError(
        f"the state directory {path!r} is not an absolute path",
        "set HOME and XDG_STATE_HOME to absolute paths, or state_dir in the configuration file",
    )


def _home() -> str:
    """Return this user's home directory; raises ConfigError if the user has none."""
    if home := os.environ.get("HOME"):
        return home
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        raise ConfigError(
            f"there is no place for the state directory: HOME is not set, and UID {os.geteuid()} has no passwd entry",
            "set HOME, or state_dir in the configuration file",
        ) from None
