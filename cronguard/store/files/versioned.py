"""Append-only versions in directories: the algorithm of `dir:`, on top of a small file port.

An entry is a directory `<root>/v1/<kind>/<ns>/<name>/` of versions, each a directory with one file:
`<version, zero-padded>/record.json`. A version is prepared under another name and renamed into place. Renaming onto a
directory that is not empty fails on a local disk, on NFS v3 and v4, and over SFTP. So exactly one node publishes
version N+1, and it is complete from the first moment. The first version is always number 1, so all nodes that find no
version compete for the same name. Old versions are renamed into `<root>/v1/.trash/`, and removed at once or by `tidy`.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress

from cronguard.model.job import is_name
from cronguard.store.contract import Entry, check_data, check_key, storage_errors
from cronguard.store.files.fileport import STAGING, FilePort, Mark, make_missing, store_time, unique
from cronguard.store.files.trash import RECORD, Trash
from cronguard.store.shared.polling import poll
from cronguard.system.clock import Clock
from cronguard.system.errors import StoreRefusedError

KEPT = 16  # versions: a process that still reads an old one has this many newer publications to finish
_DIGITS = 20
_LOOKS = 20  # a listed version may be gone when it is opened; twenty times in a row means a broken store


class VersionedBackend:
    """The backend contract over a FilePort. `is_untidy` is set when a swap has left something to `tidy`."""

    unlinks_at_once = True  # no other client can delay it, or there is nobody to do it later
    is_untidy = False

    def __init__(self, port: FilePort, root: str, clock: Clock) -> None:
        self._port = port
        self._root = f"{root.rstrip('/')}/v1"
        self._trash = Trash(port, self._root)
        self._clock = clock
        self._marks: dict[str, tuple[int, Mark | None]] = {}  # of the versions that this process knows

    def read(self, key: str) -> Entry:
        """Return the highest version in the listing."""
        folder = self._folder(key)
        with storage_errors(folder):
            for _ in range(_LOOKS):
                if not (highest := _highest(self._names(folder))):
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
            if not self._is_latest(entry):
                self._discard(staging, is_unread=True)
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
            return _highest(self._names(folder)) != entry.version

        with storage_errors(folder):
            poll(self._clock, timeout, has_changed)

    def now(self) -> float | None:
        """Return the time of a directory just created: the store's clock, not this node's."""
        with storage_errors(self._root):
            return self._look_freshly(self._root)

    def tidy(self) -> None:
        """Remove what swaps have put away, on any node. It may take minutes: call it where it can be abandoned."""
        with storage_errors(self._root):
            self._trash.empty()

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
            self._check_emptiness()
            return []

    def _parts(self, folder: str) -> list[str]:
        return sorted(filter(is_name, self._names(folder)))

    def _entry(self, key: str, version: int) -> Entry:
        """Read a version. Its mark is older than its data: a mark that is newer could vouch for other data."""
        path = self._version_path(self._folder(key), version)
        seen = self._port.look(path)
        data = self._port.read(f"{path}/{RECORD}")
        self._marks[key] = version, seen.mark
        return Entry(key, version, data, max(0.0, self._clock.wall() - seen.modified))

    def _is_latest(self, entry: Entry) -> bool:
        """Return whether `entry` is the highest version, and not another of that number in a store that was restored.

        It is read only if its directory is not the known one: a read costs a request and, on NFS 4, a delegation.
        """
        folder = self._folder(entry.key)
        highest = _highest(self._names(folder))
        if highest != entry.version or not highest:
            return highest == entry.version
        path = self._version_path(folder, entry.version)
        with suppress(FileNotFoundError):
            mark = self._port.look(path).mark
            is_known = mark is not None and self._marks.get(entry.key) == (entry.version, mark)
            return is_known or self._holds(path, entry.data)
        return False

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
            self._discard(staging, is_unread=True)
            raise
        return staging

    def _check_emptiness(self) -> None:
        """Raise BackendError if nothing is found because the whole store is gone."""

    def _make_all(self, folder: str) -> None:
        make_missing(self._port, self._root, folder)

    def _publish(self, staging: str, mine: str, data: bytes) -> bool:
        """Rename into place. A failure may be a lost race, or NFS's repetition of a request whose reply was lost."""
        try:
            self._port.rename(staging, mine)
        except OSError as error:
            self._discard(staging, is_unread=True)
            published = self._holds(mine, data)
            if published or error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return published
            if _highest(self._names(os.path.dirname(mine))) >= int(os.path.basename(mine)):
                return False  # SFTP reports only "failure" for "exists"
            raise
        return True

    def _confirmed(self, entry: Entry, data: bytes) -> Entry | None:
        """Check the published version: it must be the highest, and hold our data."""
        folder, version = self._folder(entry.key), entry.version + 1
        self._port.sync(folder)
        names = self._names(folder)
        highest = _highest(names)
        if highest == version and self._is_there(entry.key, version, data):
            with suppress(OSError):
                self._put_away_old(folder, names)
            return Entry(entry.key, version, data, 0.0)
        # From a very old entry, the place of a version removed long ago can be filled. Nobody may rely on that one.
        if _is_old(version, highest) and self._holds(self._version_path(folder, version), data):
            self._put_away(folder, version)
        return None

    def _is_there(self, key: str, version: int, data: bytes) -> bool:
        """Return whether the version that was just published is ours, and note its mark."""
        path = self._version_path(self._folder(key), version)
        with suppress(FileNotFoundError):
            self._marks[key] = version, self._port.look(path).mark
        return self._holds(path, data)

    def _holds(self, version_path: str, data: bytes) -> bool:
        """Return whether the version exists and is ours; raises OSError if that cannot be determined."""
        with suppress(FileNotFoundError):
            return self._port.read(f"{version_path}/{RECORD}") == data
        return False

    def _put_away_old(self, folder: str, names: list[str]) -> None:
        """Put away all but the newest versions, oldest first, and stop at the first failure."""
        highest = _highest(names)
        for version in _versions(names):
            if not (_is_old(version, highest) and self._put_away(folder, version)):
                break
        if highest % KEPT == 0:
            self._put_leavings_away(folder, names)

    def _put_away(self, folder: str, version: int) -> bool:
        """Put a version away if it is still old: we may have hung while the store was restored to lower numbers."""
        highest = _highest(self._names(folder))
        return _is_old(version, highest) and self._discard(self._version_path(folder, version))

    def _put_leavings_away(self, folder: str, names: list[str]) -> None:
        """Put away what crashed processes left. If all did so each time, a herd would examine its own directories."""
        for path in self._trash.leavings(folder, names, self._look_freshly(folder)):
            self._discard(path)

    def _discard(self, path: str, *, is_unread: bool = False) -> bool:
        """Put a directory away; remove it if no other client has read it or can delay that. Return whether it is away."""
        away = self._trash.put(path)
        if away and (is_unread or self.unlinks_at_once):
            self._trash.remove(away)
        elif away:
            self.is_untidy = True
        return away is not None

    def _look_freshly(self, folder: str) -> float:
        """Change the directory, so an NFS client's next listing of it is the server's; return the store's time."""
        with suppress(FileNotFoundError):
            return store_time(self._port, folder)
        self._make_all(folder)
        return store_time(self._port, folder)


def _versions(names: list[str]) -> list[int]:
    return sorted(int(name) for name in names if len(name) == _DIGITS and name.isdecimal())


def _is_old(version: int, highest: int) -> bool:
    return version <= highest - KEPT


def _highest(names: list[str]) -> int:
    return max(_versions(names), default=0)
