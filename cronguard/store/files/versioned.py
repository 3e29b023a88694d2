"""Append-only versions in directories: the algorithm of `dir:`, on top of a small file port.

An entry is a directory `<root>/v1/<kind>/<ns>/<name>/` of versions, each a directory with one file:
`<version, zero-padded>/record.json`. A version is prepared under another name and renamed into place. Renaming onto a
directory that is not empty fails on a local disk, on NFS v3 and v4, and over SFTP. So exactly one node publishes
version N+1, and it is complete from the first moment. The first version is always number 1, so all nodes that find no
version compete for the same name.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress

from cronguard.model.job import is_name
from cronguard.store.contract import Entry, check_data, check_key, storage_errors
from cronguard.store.files.fileport import STAGING, FilePort, make_missing, store_time, unique
from cronguard.store.shared.polling import poll
from cronguard.system.clock import Clock
from cronguard.system.errors import StoreRefusedError

RECORD = "record.json"
KEPT = 16  # versions: a process that still reads an old one has this many newer publications to finish
_DIGITS = 20
_TRASH = ".trash-"
# Seconds. No process is paused for a day between preparing and renaming; if one was, its rename fails.
_STAGING_LIFE = 86400.0
_LOOKS = 20  # a listed version may be gone when it is opened; twenty times in a row means a broken store


class VersionedBackend:
    """The backend contract over a FilePort."""

    def __init__(self, port: FilePort, root: str, clock: Clock) -> None:
        self._port = port
        self._root = f"{root.rstrip('/')}/v1"
        self._clock = clock

    def read(self, key: str) -> Entry:
        """Return the highest version in the listing."""
        folder = self._folder(key)
        with storage_errors(folder):
            for _ in range(_LOOKS):
                highest = self._highest(self._names(folder))
                if not highest:
                    return Entry(key, 0, b"")
                with suppress(FileNotFoundError):  # removed since it was listed
                    return self._entry(key, highest)
                self._look_freshly(folder)
        raise StoreRefusedError(
            f"{self._version_path(folder, highest)} contains no {RECORD}",
            "cronguard never leaves a version like that; if no node runs the job, move it away by hand",
        )

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Publish the next version by renaming it into place, then check the result."""
        folder = self._folder(entry.key)
        with storage_errors(folder):
            staging = self._stage(folder, check_data(data))
            if self._highest(self._names(folder)) != entry.version:  # lower: the store was emptied meanwhile
                self._discard(staging)
                return None
            mine = self._version_path(folder, entry.version + 1)
            return self._confirmed(entry, data) if self._publish(staging, mine, data) else None

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Walk the tree below the prefix, in name order."""
        kind = prefix.partition("/")[0]
        with storage_errors(self._root):
            for ns in self._parts(f"{self._root}/{kind}"):
                for name in self._parts(f"{self._root}/{kind}/{ns}"):
                    key = f"{kind}/{ns}/{name}"
                    if key.startswith(prefix) and (entry := self.read(key)).version:
                        yield entry

    def wait(self, entry: Entry, timeout: float) -> None:
        """Poll, each time bypassing the caches of a network file system."""
        folder = self._folder(entry.key)

        def has_changed() -> bool:
            self._look_freshly(folder)
            return self._highest(self._names(folder)) != entry.version

        with storage_errors(folder):
            poll(self._clock, timeout, has_changed)

    def now(self) -> float | None:
        """Return the time of a directory just created: the store's clock, not this node's."""
        with storage_errors(self._root):
            return self._look_freshly(self._root)

    def close(self) -> None:
        """Do nothing: nothing is kept open."""

    def _folder(self, key: str) -> str:
        return f"{self._root}/{check_key(key)}"

    def _version_path(self, folder: str, version: int) -> str:
        return f"{folder}/{version:0{_DIGITS}}"

    def _names(self, folder: str) -> list[str]:
        try:
            return self._port.list(folder)
        except (FileNotFoundError, NotADirectoryError):  # somebody left a file among the directories
            return []

    def _parts(self, folder: str) -> list[str]:
        return sorted(filter(is_name, self._names(folder)))

    def _versions(self, names: list[str]) -> list[int]:
        return sorted(int(name) for name in names if len(name) == _DIGITS and name.isdecimal())

    def _highest(self, names: list[str]) -> int:
        return max(self._versions(names), default=0)

    def _entry(self, key: str, version: int) -> Entry:
        path = self._version_path(self._folder(key), version)
        data = self._port.read(f"{path}/{RECORD}")
        return Entry(key, version, data, max(0.0, self._clock.wall() - self._port.modified(path)))

    def _stage(self, folder: str, data: bytes) -> str:
        """Prepare a version inside the entry's own directory: the mkdir makes its next listing fresh."""
        staging = f"{folder}/{STAGING}{unique()}"
        try:
            self._port.make(staging)
        except FileNotFoundError:
            self._make_all(folder)
            self._port.make(staging)
        try:
            self._port.write(f"{staging}/{RECORD}", data)
        except OSError:
            self._discard(staging)
            raise
        return staging

    def _make_all(self, folder: str) -> None:
        """Create the entry's directory."""
        make_missing(self._port, self._root, folder)

    def _publish(self, staging: str, mine: str, data: bytes) -> bool:
        """Rename into place. A reported failure may be a lost race, or only a lost reply.

        NFS repeats a request whose reply was lost, and the repeated request finds our own version in the way.
        """
        try:
            self._port.rename(staging, mine)
        except OSError as error:
            self._discard(staging)
            published = self._holds(mine, data)
            if published or error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return published
            if self._highest(self._names(os.path.dirname(mine))) >= int(os.path.basename(mine)):
                return False  # SFTP reports only "failure" for "exists"
            raise
        return True

    def _confirmed(self, entry: Entry, data: bytes) -> Entry | None:
        """Check the published version: it must be the highest, and hold our data.

        A process that publishes from a very old entry can fill the place of a version removed long ago. It removes its
        version again, because nobody may rely on it.
        """
        folder, version = self._folder(entry.key), entry.version + 1
        mine = self._version_path(folder, version)
        self._port.sync(folder)
        names = self._names(folder)
        highest = self._highest(names)
        if highest == version and self._holds(mine, data):
            self._tidy(folder, names)
            return Entry(entry.key, version, data, 0.0)
        if highest >= version + KEPT and self._holds(mine, data):
            self._discard(mine)
        return None

    def _holds(self, version_path: str, data: bytes) -> bool:
        """Return whether the version exists and is ours; raises OSError if that cannot be determined."""
        try:
            return self._port.read(f"{version_path}/{RECORD}") == data
        except FileNotFoundError:
            return False

    def _tidy(self, folder: str, names: list[str]) -> None:
        """Remove all but the newest versions, oldest first, and stop at the first failure."""
        for version in self._versions(names)[:-KEPT]:
            if not self._discard(self._version_path(folder, version)):
                break
        if self._highest(names) % KEPT == 0:
            self._remove_leavings(folder, names)

    def _remove_leavings(self, folder: str, names: list[str]) -> None:
        """Remove what crashed processes left behind.

        This is not done at every publication: in a herd, each process would examine the directories of all the others.
        """
        now = self._look_freshly(folder)
        for name in names:
            if name.startswith((STAGING, _TRASH)):
                with suppress(OSError):
                    if now - self._port.modified(f"{folder}/{name}") > _STAGING_LIFE:
                        self._discard(f"{folder}/{name}")

    def _discard(self, path: str) -> bool:
        """Rename a directory away, then remove it: once empty, it could be renamed onto under its own name."""
        trash = f"{os.path.dirname(path)}/{_TRASH}{unique()}"
        try:
            self._port.rename(path, trash)
        except OSError:
            return False
        with suppress(OSError):
            self._port.unlink(f"{trash}/{RECORD}")
        with suppress(OSError):
            self._port.rmdir(trash)
        return True

    def _look_freshly(self, folder: str) -> float:
        """Change the directory, so an NFS client's next listing of it is the server's; return the store's time."""
        try:
            return store_time(self._port, folder)
        except FileNotFoundError:
            self._make_all(folder)
            return store_time(self._port, folder)
