"""The few file operations that stores in a shared directory need, and functions built on them alone."""

import os
import time
from contextlib import suppress
from typing import NamedTuple, Protocol

STAGING = ".staging-"  # prefix of names not yet in place; no entry's name starts with a dot


Mark = tuple[int, int]


class Seen(NamedTuple):
    """What a look at a directory shows: its modification time by the store's clock, and its mark.

    The mark, inode number and time in nanoseconds, tells it from any other directory that had or will have its name;
    None if the medium has no such thing.
    """

    modified: float
    mark: Mark | None


class FilePort(Protocol):
    """The few file operations that the algorithm needs, on a local, NFS or SFTP tree. All raise OSError.

    None may depend on this node's clock. `write` returns when the data is on the disk.
    """

    def list(self, path: str) -> list[str]:
        """Return the names in a directory, possibly from a cache."""
        ...

    def make(self, path: str) -> None:
        """Create a directory, with the group and mode of the root."""
        ...

    def write(self, path: str, data: bytes) -> None:
        """Create a file that does not exist."""
        ...

    def read(self, path: str) -> bytes:
        """Return a file's content."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename a directory; MUST fail when `new` is a directory that is not empty."""
        ...

    def sync(self, path: str) -> None:
        """Make a directory's entries durable, if the medium does not do so by itself."""
        ...

    def look(self, path: str) -> Seen:
        """Return a directory's modification time and mark, without reading what is in it."""
        ...

    def unlink(self, path: str) -> None:
        """Remove a file."""
        ...

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        ...


def unique() -> str:
    """Return a name that no other process on any node uses or will use."""
    return f"{os.uname().nodename[:30]}-{os.getpid()}-{time.monotonic_ns()}-{os.urandom(4).hex()}"


def make_missing(port: FilePort, top: str, folder: str) -> None:
    """Create `top`, and the directories from there down to `folder`, where they are missing."""
    try:
        port.look(folder)
    except FileNotFoundError:
        if folder != top:
            make_missing(port, top, os.path.dirname(folder))
        _make_shared(port, folder)


def store_time(port: FilePort, folder: str) -> float:
    """Return the store's time, that of a directory just created; raises FileNotFoundError without `folder`.

    A file cannot be used instead: on newer kernels its time may be the client's (attribute delegation, RFC 9754).
    Creating the directory also changes `folder`, so an NFS client's next listing of `folder` comes from the server.
    """
    probe = f"{folder}/{STAGING}{unique()}"
    port.make(probe)
    try:
        return port.look(probe).modified
    finally:
        with suppress(OSError):
            port.rmdir(probe)


def _make_shared(port: FilePort, path: str) -> None:
    """Create a directory. If two processes do so at once, both succeed.

    It is not created under another name and renamed into place: that would replace a directory that another process
    has just started to use.
    """
    try:
        port.make(path)
    except OSError as error:  # SFTP reports only "failure" for "exists"
        try:
            port.look(path)
        except FileNotFoundError:
            raise error from None
    port.sync(os.path.dirname(path))
