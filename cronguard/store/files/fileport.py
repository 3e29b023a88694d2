"""The few file operations that stores on a shared tree need, and what is made of them alone."""

import os
import time
from contextlib import suppress
from typing import Protocol

STAGING = ".staging-"  # the prefix of what is not yet in place; no entry's name begins with a dot


class FilePort(Protocol):
    """The few file operations that the algorithm needs, on a local, NFS or SFTP tree. All raise OSError.

    None may depend on this node's clock, and `write` returns when the data are on the disk.
    """

    def list(self, path: str) -> list[str]:
        """Return the names in a directory, perhaps from a cache."""
        ...

    def make(self, path: str) -> None:
        """Make a directory, with the group and mode of the root."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Create a file that is not there."""
        ...

    def read(self, path: str) -> bytes:
        """Return a file's content."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename a directory; MUST fail when `new` is a directory that is not empty."""
        ...

    def sync(self, path: str) -> None:
        """Make a directory's entries durable, where the medium does not do so by itself."""
        ...

    def modified(self, path: str) -> float:
        """Return a directory's modification time, by the store's clock."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a file."""
        ...

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        ...


def unique() -> str:
    """Return a name that no other process, on this or another node, has or will have."""
    return f"{os.uname().nodename[:30]}-{os.getpid()}-{time.monotonic_ns()}-{os.urandom(4).hex()}"


def make_missing(port: FilePort, top: str, folder: str) -> None:
    """Make `top` and the directories from there down to `folder`, where they are missing."""
    try:
        port.modified(folder)
    except FileNotFoundError:
        if folder != top:
            make_missing(port, top, os.path.dirname(folder))
        _make_shared(port, folder)


def store_time(port: FilePort, folder: str) -> float:
    """Return the store's time: that of a directory just made; raises FileNotFoundError without the folder.

    A file's time may be the client's on newer kernels (attribute delegation, RFC 9754). As the folder is changed
    by it, an NFS client's next listing of the folder is the server's.
    """
    probe = f"{folder}/{STAGING}{unique()}"
    port.make(probe)
    try:
        return port.modified(probe)
    finally:
        with suppress(OSError):
            port.rmdir(probe)


def _make_shared(port: FilePort, path: str) -> None:
    """Make a directory; of two who do so at once, both are right.

    Not made aside and renamed into place: that would replace one that another has just begun to use.
    """
    try:
        port.make(path)
    except OSError as error:  # SFTP says only "failure" for "exists"
        try:
            port.modified(path)
        except FileNotFoundError:
            raise error from None
    port.sync(os.path.dirname(path))
