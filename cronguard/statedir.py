"""The folder in which this node keeps what is its own: sightings, the gate, the local backend."""

import os
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
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with open(aside, "wb") as file:
                file.write(data)
            os.replace(aside, path)

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
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        try:
            return os.open(path, flags)
        except FileNotFoundError:
            os.makedirs(self.counters, mode=0o700, exist_ok=True)
            if len(os.listdir(self.counters)) >= _MOST_COUNTERS:
                raise
            return os.open(path, flags | os.O_CREAT, 0o600)

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
