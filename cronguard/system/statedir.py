"""The folder in which this node keeps what is its own: sightings, the gate, the local backend."""

import errno
import os
import stat
from contextlib import suppress

_MOST_COUNTERS = 5000  # files: a job whose name is another each time must not fill the disk
FULL = 65536  # bytes, and events: a job of every minute gets there in six weeks


class StateDir:
    """A node's folder on its own disk. All of it but the local backend is advice: losing it costs time only.

    Without an explicit path: `/var/lib/cronguard` for root, else `$XDG_STATE_HOME/cronguard` or
    `~/.local/state/cronguard`. A home directory may be shared by many machines, so all that is a node's own
    lies below the node's name.
    """

    def __init__(self, path: str | None, node: str) -> None:
        self.root = os.path.abspath(path or _default())  # the keeper leaves this directory
        self._own = f"{self.root}/node/{node}"

    def path(self, kind: str, what: str) -> str:
        """Return where a small file about `what` (any text) of this kind is kept."""
        import binascii

        raw = os.fsencode(what)
        return f"{self._own}/{kind}/{binascii.crc32(raw):08x}-{len(raw)}"

    def load(self, kind: str, what: str) -> bytes:
        """Return what was stored; nothing if there is none or it cannot be read."""
        try:
            with open(self.path(kind, what), "rb") as file:
                return file.read()
        except OSError:
            return b""

    def store(self, kind: str, what: str, data: bytes) -> None:
        """Replace what is stored, complete or not at all; not being able to is no error."""
        path = self.path(kind, what)
        aside = f"{path}.{os.getpid()}"
        with suppress(OSError):
            with open(self.open(aside, os.O_WRONLY | os.O_TRUNC), "wb") as file:
                file.write(data)
            os.replace(aside, path)

    def open(self, path: str, flags: int) -> int:
        """Open a file in this folder, and make it if need be; raises OSError.

        What the superuser makes in another user's folder is that user's, whose runs have to write there. Nobody who
        may write there leads us to a file elsewhere by a symbolic link, or has us wait for the reader of a pipe.
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
        raise OSError(errno.EINVAL, "no file", path)

    def make_folder(self, path: str) -> None:
        """Make a folder in this one, and those above it, to belong to whom this one does; raises OSError."""
        if os.path.isdir(path):
            return
        if path == self.root:
            os.makedirs(path, mode=0o700, exist_ok=True)
            return
        self.make_folder(os.path.dirname(path))
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
            self._give(path)

    def _give(self, path: str) -> None:
        if os.geteuid() == 0 and (owner := os.stat(self.root)).st_uid:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def remove(self, kind: str, what: str) -> None:
        """Forget what is stored, if anything."""
        with suppress(OSError):
            os.unlink(self.path(kind, what))

    @property
    def counters(self) -> str:
        """The folder of the counters: a file for each, whose size is its value."""
        return f"{self._own}/counters"

    def count(self, *labels: str) -> None:
        """Add one to the counter with these labels, none of which has a `@`; not being able to is no error.

        Its file grows by a byte: no lock to wait for, and nothing that a crash leaves half done. A full one begins
        again at 0, as who reads counters is used to.
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
        """Return how many seconds ago it was stored; None if it is not there."""
        try:
            return wall - os.stat(self.path(kind, what)).st_mtime
        except OSError:
            return None


def _default() -> str:
    if os.geteuid() == 0:
        return "/var/lib/cronguard"
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return f"{home}/cronguard"
