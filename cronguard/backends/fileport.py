"""The few file operations that versions in directories need."""

from typing import Protocol


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
