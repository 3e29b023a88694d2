"""`dir:/path`, a directory on shared storage, and `local`, one on this machine alone."""

import errno
import os
import stat

from cronguard.backend import Entry, absolute_path, storage_errors
from cronguard.backends.versioned import VersionedBackend
from cronguard.clock import Clock
from cronguard.errors import BackendError, ConfigError
from cronguard.statedir import StateDir


class DirectoryBackend(VersionedBackend):
    """Versions in a directory that the nodes share. The administrator makes it; we make only what is below."""

    def __init__(self, url: str, root: str, clock: Clock, state: StateDir) -> None:
        super().__init__(LocalPort(root), root, clock)
        self._url = url
        self._state = state

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir) -> "DirectoryBackend":
        """Raise BackendError if the directory is not there: making it would be a store of our own, off the share."""
        root = absolute_path(url)
        with storage_errors(root):
            if not os.path.exists(root):
                hint = (
                    f"is the share mounted? if it is new: mkdir {root}, with the group and mode of its users"
                )
                raise BackendError(f"{root} does not exist", hint)
            if not os.path.isdir(root):
                raise ConfigError(f"{root} is not a directory", "give dir: the path of a directory")
            return cls(url, root, clock, state)

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Publish the next version, and remember that this node has used this store."""
        published = super().swap(entry, data)
        if published and not self._state.load("store", self._url):
            self._state.store("store", self._url, self._url.encode())
        return published

    def _make_all(self, folder: str) -> None:
        """Refuse to begin a store anew where this node has used one: an unmounted share looks just like that."""
        if self._state.load("store", self._url) and not os.path.isdir(self._root):
            raise BackendError(
                f"{self._root} is gone, but this node has used it",
                f"is the share mounted? if the store was emptied on purpose: mkdir {self._root}",
            )
        super()._make_all(folder)


class LocalBackend(VersionedBackend):
    """Versions in this node's own state folder: guards against itself, not against other machines."""

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir) -> "LocalBackend":
        """Make the folder if need be; raises StoreForbiddenError where this user cannot."""
        root = f"{state.root}/local"
        with storage_errors(root):
            os.makedirs(root, mode=0o700, exist_ok=True)
            return cls(LocalPort(root), root, clock)


class LocalPort:
    """File operations on a mounted tree. What it makes has the group and mode of the root, whatever the umask."""

    def __init__(self, root: str) -> None:
        found = os.stat(root)
        self._mode = stat.S_IMODE(found.st_mode) & 0o2777
        self._group = -1 if found.st_gid == os.getegid() or found.st_mode & stat.S_ISGID else found.st_gid
        umask = os.umask(0o077)
        os.umask(umask)
        self._masked = bool(self._mode & umask)

    def list(self, path: str) -> list[str]:
        """Return the names in a directory."""
        return os.listdir(path)

    def make(self, path: str) -> None:
        """Make a directory."""
        os.mkdir(path, self._mode)
        self._give(path, self._mode)

    def write(self, path: str, data: bytes) -> None:
        """Create a file and bring it to the disk."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._mode & 0o666)
        try:
            if os.write(fd, data) != len(data):
                raise OSError(errno.ENOSPC, "the file could not be written whole", path)
            os.fsync(fd)
        finally:
            os.close(fd)
        self._give(path, self._mode & 0o666)

    def read(self, path: str) -> bytes:
        """Return a file's content; one gone stale is one gone."""
        try:
            with open(path, "rb", buffering=0) as file:
                return file.read()
        except OSError as error:
            raise _gone_if_stale(error) from error

    def rename(self, old: str, new: str) -> None:
        """Rename a directory; the kernel refuses a target that is not empty."""
        os.rename(old, new)

    def sync(self, path: str) -> None:
        """Bring a directory's entries to the disk; a network file system has done so already."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def modified(self, path: str) -> float:
        """Return the modification time."""
        try:
            return os.stat(path).st_mtime
        except OSError as error:
            raise _gone_if_stale(error) from error

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def _give(self, path: str, mode: int) -> None:
        if self._masked:
            os.chmod(path, mode)
        if self._group != -1:
            os.chown(path, -1, self._group)


def _gone_if_stale(error: OSError) -> OSError:
    if error.errno == errno.ESTALE:
        return FileNotFoundError(errno.ENOENT, "gone while it was read", error.filename)
    return error
