"""File operations on a mounted tree."""

import errno
import os
import stat

from cronguard.store.files.fileport import Seen


class LocalPort:
    """The operations of FilePort on a local or NFS tree.

    Everything that it creates has the group and mode of the root, whatever the umask. If the root is for its owner
    alone, everything that the superuser creates belongs to that owner: `sudo cronguard pause` must not lock the jobs
    out of their own store.
    """

    def __init__(self, root: str) -> None:
        found = os.stat(root)
        self._mode = stat.S_IMODE(found.st_mode) & 0o2777
        self._group = -1 if found.st_gid == os.getegid() or found.st_mode & stat.S_ISGID else found.st_gid
        is_owners = os.geteuid() == 0 and not found.st_mode & stat.S_IWGRP
        self._owner = found.st_uid or -1 if is_owners else -1
        umask = os.umask(0o077)
        os.umask(umask)
        self._masked = bool(self._mode & umask)

    def list(self, path: str) -> list[str]:
        """Return the names in a directory."""
        return os.listdir(path)

    def make(self, path: str) -> None:
        """Create a directory."""
        os.mkdir(path, self._mode)
        self._give(path, self._mode)

    def write(self, path: str, data: bytes) -> None:
        """Create a file and flush it to the disk."""
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._mode & 0o666)
        try:
            if os.write(fd, data) != len(data):
                raise OSError(errno.ENOSPC, "the file could not be written completely", path)
            os.fsync(fd)
        finally:
            os.close(fd)
        self._give(path, self._mode & 0o666)

    def read(self, path: str) -> bytes:
        """Return a file's content. A stale file handle counts as a missing file."""
        try:
            with open(path, "rb", buffering=0) as file:
                return file.read()
        except OSError as error:
            raise _gone_if_stale(error) from error

    def rename(self, old: str, new: str) -> None:
        """Rename a directory; the kernel refuses a target that is not empty."""
        os.rename(old, new)

    def sync(self, path: str) -> None:
        """Flush a directory's entries to the disk; a network file system has done so already."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system without fsync for directories, for example CIFS
                raise
        finally:
            os.close(fd)

    def look(self, path: str) -> Seen:
        """Return modification time and mark. A stale file handle counts as a missing directory."""
        try:
            found = os.stat(path)
        except OSError as error:
            raise _gone_if_stale(error) from error
        return Seen(found.st_mtime, (found.st_ino, found.st_mtime_ns))

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def _give(self, path: str, mode: int) -> None:
        if self._masked:
            os.chmod(path, mode)
        if (self._owner, self._group) != (-1, -1):
            try:
                os.chown(path, self._owner, self._group, follow_symlinks=False)
            except PermissionError:
                if not is_open_to_all(mode):  # otherwise others may do the same as the group's members
                    raise


def is_open_to_all(mode: int) -> bool:
    """Return whether others may do everything that the group may."""
    return (mode >> 3 & 0o7) & ~mode == 0


def _gone_if_stale(error: OSError) -> OSError:
    if error.errno == errno.ESTALE:
        return FileNotFoundError(errno.ENOENT, "it was removed while it was read", error.filename)
    return error
