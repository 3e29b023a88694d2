"""File operations on a lock host, over a connection that is reopened when it is lost."""

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from cronguard.store.files.fileport import Seen
from cronguard.store.files.localport import is_open_to_all
from cronguard.store.ssh import wire
from cronguard.store.ssh.sftp import Sftp
from cronguard.store.ssh.wire import Attributes
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError

T = TypeVar("T")
# Share of the caller's time limit: a caller that waits must get our error before it gives up.
_SHARE = 0.8
# Seconds, times the number of the attempt. With the default MaxStartups, sshd drops a fifth to a third of forty
# connections that arrive in the same second. With these pauses all forty got in.
_LEAST_PAUSE, _MOST_PAUSE = 0.2, 1.5


class SftpPort:
    """The operations of FilePort over SFTP. Everything that it creates has the group and mode of the root.

    When the connection is lost, the request is sent again over another one. The first request may have been executed
    all the same, or may be executed later, when the server finds it in its buffers. That does no harm: a directory that
    was renamed is no longer there to be renamed again.

    But `make` and `write` are sent only once, and raise ConnectionError. A staging directory that was created again
    after it was renamed away would be empty, and a late rename could publish it. So a caller that loses one uses a new
    name: see `again`.
    """

    def __init__(self, root: str, connect: Callable[[], Sftp], clock: Clock, patience: float) -> None:
        self._root, self._connect, self._clock = root, connect, clock
        self._patience = patience * _SHARE
        self._sftp: Sftp | None = None
        self._failures = 0
        self._silent_since = 0.0
        self._manner: Attributes | None = None

    def list(self, path: str) -> list[str]:
        """Return the names in a directory."""
        return self._do(lambda sftp: sftp.names(path))

    def make(self, path: str) -> None:
        """Create a directory."""
        mode = self._root_attributes().mode & 0o2777
        try:
            made = self._once(lambda sftp: sftp.make(path, mode))
        except ConnectionError:
            # It may exist all the same, and must not stay closed to the other users.
            with suppress(OSError):
                self._give(path, self._do(lambda sftp: sftp.stat(path)), mode)
            raise
        self._give(path, made, mode)

    def make_root(self, mode: int) -> None:
        """Create the root itself, whatever the server's umask."""
        self._once(lambda sftp: sftp.make(self._root, mode))
        self._do(lambda sftp: sftp.change(self._root, wire.mode(mode)))

    def write(self, path: str, data: bytes) -> None:
        """Create a file and flush it to the disk."""
        mode = self._root_attributes().mode & 0o666
        self._give(path, self._once(lambda sftp: sftp.write(path, data, mode)), mode)

    def read(self, path: str) -> bytes:
        """Return a file's content."""
        try:
            return self._do(lambda sftp: sftp.read(path))
        except OSError as error:
            if error.errno == errno.EIO and self.is_directory(path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), error.filename) from error
            raise

    def rename(self, old: str, new: str) -> None:
        """Rename a directory; the server refuses a target that is not empty, without giving the reason."""
        self._do(lambda sftp: sftp.rename(old, new))

    def sync(self, path: str) -> None:
        """Flush a directory's entries to the disk."""
        self._do(lambda sftp: sftp.sync(path))

    def look(self, path: str) -> Seen:
        """Return a directory's modification time, in whole seconds. SFTP has nothing that could be its mark."""
        found = self._do(lambda sftp: sftp.stat(path))
        if not stat.S_ISDIR(found.mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return Seen(float(found.modified), None)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        self._do(lambda sftp: sftp.remove(path))

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        self._do(lambda sftp: sftp.rmdir(path))

    def is_directory(self, path: str) -> bool | None:
        """Return whether a path is a directory; None if it does not exist."""
        try:
            return stat.S_ISDIR(self._do(lambda sftp: sftp.stat(path)).mode)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        """Close the connection."""
        if self._sftp:
            self._sftp.close()
        self._sftp = None

    def again(self, act: Callable[[], T]) -> T:
        """Return what `act` returns; call it again whenever it loses the connection, until the time limit."""
        while True:
            began = self._clock.boot()
            try:
                return act()
            except ConnectionError as error:
                self._pause(error, began)

    def _do(self, act: Callable[[Sftp], T]) -> T:
        return self.again(lambda: self._once(act))

    def _once(self, act: Callable[[Sftp], T]) -> T:
        try:
            self._sftp = self._sftp or self._connect()
            answer = act(self._sftp)
        except ConnectionError:
            self.close()
            raise
        except OSError:
            self._failures = 0
            raise
        self._failures = 0
        return answer

    def _pause(self, error: ConnectionError, began: float) -> None:
        """Wait before the next attempt; raises BackendError if there is no time for one that takes as long."""
        now = self._clock.boot()
        if not self._failures:
            self._silent_since = began
        self._failures += 1
        dice = int.from_bytes(os.urandom(2), "big") / 65536
        pause = (_LEAST_PAUSE + dice * (_MOST_PAUSE - _LEAST_PAUSE)) * self._failures
        if now + pause + (now - began) > self._silent_since + self._patience:
            raise BackendError(
                str(error), "check that the lock host is up, is reachable, and runs sshd (ssh -v)"
            ) from error
        self._clock.sleep(pause)

    def _root_attributes(self) -> Attributes:
        self._manner = self._manner or self._do(lambda sftp: sftp.stat(self._root))
        return self._manner

    def _give(self, path: str, made: Attributes, mode: int) -> None:
        """Give a new file or directory the root's group and mode, if the server's umask and groups did not."""
        group = self._root_attributes().gid
        if made.gid != group:
            try:
                self._do(lambda sftp: sftp.change(path, wire.owner(made.uid, group)))
            except PermissionError:
                if not is_open_to_all(mode):  # otherwise others may do the same as the group's members
                    raise
        if stat.S_IMODE(made.mode) & 0o2777 != mode:
            self._do(lambda sftp: sftp.change(path, wire.mode(mode)))
