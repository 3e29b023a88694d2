"""Where directories go before they are removed: renamed away, and removed at once or later.

A directory is renamed away first because an empty one could be renamed onto under its own name. And on NFS 4 a file
that another client has read may take minutes to unlink, if that client is dead: the server first waits for it to give
back a delegation. Renaming the directory around the file takes no time.
"""

from collections.abc import Iterable
from contextlib import suppress

from cronguard.store.files.fileport import STAGING, FilePort, unique

RECORD = "record.json"
_PLACE = ".trash"
_OLD_PLACE = ".trash-"  # where earlier versions of cronguard put it: in the entry's own directory
# Seconds. No process is paused for a day between preparing and renaming; if one was, its rename fails.
_LIFE = 86400.0


class Trash:
    """The directory `.trash` at the top of a store."""

    def __init__(self, port: FilePort, top: str) -> None:
        self._port = port
        self._place = f"{top}/{_PLACE}"

    def put(self, path: str) -> str | None:
        """Rename a directory into the trash, and return its new path; None if that fails."""
        there = f"{self._place}/{unique()}"
        for _ in range(2):
            with suppress(OSError):
                self._port.rename(path, there)
                return there
            with suppress(OSError):  # SFTP reports only "failure", also if there is no trash yet
                self._port.make(self._place)
        return None

    def remove(self, there: str) -> None:
        """Remove what is in the trash under this path. It may take minutes if another client has read it."""
        with suppress(OSError):
            self._port.unlink(f"{there}/{RECORD}")
        with suppress(OSError):
            self._port.rmdir(there)

    def empty(self) -> None:
        """Remove all that is in the trash, whoever put it there; raises OSError if it cannot be listed."""
        with suppress(FileNotFoundError):
            # Nodes that do so at the same time begin at different places: a set's order differs between processes.
            for name in set(self._port.list(self._place)):
                self.remove(f"{self._place}/{name}")

    def leavings(self, folder: str, names: Iterable[str], now: float) -> Iterable[str]:
        """Yield the paths of what crashed processes left behind in a folder with these names, a day ago or earlier."""
        for name in names:
            if name.startswith((STAGING, _OLD_PLACE)):
                with suppress(OSError):
                    if now - self._port.look(f"{folder}/{name}").modified > _LIFE:
                        yield f"{folder}/{name}"
