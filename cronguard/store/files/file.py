"""`file:/path`, lock files on NFS or on any disk whose kernel locks work: a record inside each locked file.

The kernel's lock is held for the few milliseconds of one read, compare and write, never for the length of a job.
The record lies in the file that is locked, not beside it: an NFS client drops what it has cached of a file when it
gets the file's lock, but not what it knows of other names. So a lock file is never replaced and never removed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import lock_descriptor, unlock_descriptor

from cronguard.model.job import is_name
from cronguard.store.contract import TERMS, Entry, Terms, check_data, check_key, storage_errors
from cronguard.store.files import mounts, slots
from cronguard.store.files.fileport import STAGING, make_missing, store_time, unique
from cronguard.store.files.localport import LocalPort
from cronguard.store.files.share import Share
from cronguard.store.files.slots import Latest
from cronguard.store.shared.polling import poll
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, StoreRefusedError
from cronguard.system.statedir import StateDir

_SUFFIX = ".lock"
_MOUNTS = "/proc/self/mountinfo"
_RECOVER_LOST_LOCKS = "/sys/module/nfs/parameters/recover_lost_locks"
# Sixty contenders on a disk that takes a tenth of a second for an fsync are through in six. Who keeps a lock for longer
# than ten has crashed or is cut off: an NFS server takes it back when that client's 90 s are over, and the caller, who
# answers for a deadline, must hear of it before.
_LOCK_PATIENCE = 10.0
# Pauses between tries, in seconds: a lock is held for some ms, and each try costs an NFS server a request.
_FIRST_TRY, _LAST_TRY = 0.001, 0.05
_LOOKS = 20  # a person may move a lock file away while we wait for its lock, but not twenty times in a row


class FileBackend:
    """One lock file per entry, `<root>/file-v1/<kind>/<ns>/<name>.lock`, in a directory that the nodes share."""

    def __init__(self, share: Share, clock: Clock, *, is_any_mount_fine: bool = False) -> None:
        """Raise StoreRefusedError on a mount whose locks do not reach the other machines, or can be lost unnoticed."""
        if not is_any_mount_fine:
            _check_mount(share.root)
        self._share = share
        self._top = share.top
        self._port = LocalPort(share.root)
        self._clock = clock

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> "FileBackend":
        """Raise BackendError if the directory is not there, StoreRefusedError if it is not safe to use."""
        share = Share(url, state)
        with storage_errors(share.root):
            return cls(share, clock)

    def read(self, key: str) -> Entry:
        """Return the latest version, as a plain look shows it; without locking unless that shows none."""
        path = self._path(key)
        with storage_errors(path):
            try:
                fd = _open(path, os.O_RDONLY)
            except FileNotFoundError:
                return Entry(key, 0, b"")
            try:
                return self._entry(key, fd, slots.load(fd, path))
            except StoreRefusedError:  # two writers may have passed while it was read
                return self._read_locked(key)
            finally:
                os.close(fd)

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Compare and write under the lock.

        There is no reading back after a good fsync: NFS v4 servers refuse a write whose lock was lost, and say so.
        After an error the write may have landed all the same, whole or not. So the step is done once more, over our
        own data too if they are there: they are then written again, because nobody knows how much is on the disk.
        """
        path = self._path(entry.key)
        check_data(data)
        with storage_errors(path):
            old, new = Latest(entry.version, entry.data), Latest(entry.version + 1, data)
            try:
                published = self._publish(new, {old}, path)
            except OSError:
                published = self._publish(new, {old, new}, path)
        if published:
            self._share.remember()
        return Entry(entry.key, *new, 0.0) if published else None

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Walk the tree below the prefix, in the order of the names."""
        kind = prefix.partition("/")[0]
        with storage_errors(self._top):
            for ns in self._names(f"{self._top}/{kind}", ""):
                for name in self._names(f"{self._top}/{kind}/{ns}", _SUFFIX):
                    key = f"{kind}/{ns}/{name}"
                    if key.startswith(prefix) and (entry := self.read(key)).version:
                        yield entry

    def wait(self, entry: Entry, timeout: float) -> None:
        """Poll under the lock: getting it makes an NFS client forget what it has cached of the file."""
        with storage_errors(self._path(entry.key)):
            poll(self._clock, timeout, lambda: self._read_locked(entry.key).version != entry.version)

    def now(self) -> float | None:
        """Return the time of a directory just made: the store's clock, not this node's."""
        with storage_errors(self._top):
            try:
                return store_time(self._port, self._top)
            except FileNotFoundError:
                self._make_missing(self._top)
                return store_time(self._port, self._top)

    def close(self) -> None:
        """Nothing is held open."""

    def _path(self, key: str) -> str:
        return f"{self._top}/{check_key(key)}{_SUFFIX}"

    def _entry(self, key: str, fd: int, latest: Latest) -> Entry:
        age = self._clock.wall() - os.fstat(fd).st_mtime
        return Entry(key, latest.version, latest.data, max(0.0, age) if latest.version else None)

    def _read_locked(self, key: str) -> Entry:
        path = self._path(key)
        with self._locked(path) as fd:
            return self._entry(key, fd, slots.load(fd, path))

    def _publish(self, new: Latest, over: set[Latest], path: str) -> bool:
        """Write `new` if the latest is one of `over`.

        That is more than its number: a server that crashed may have forgotten a version that somebody had read.
        """
        with self._locked(path) as fd:
            if slots.load(fd, path) not in over:
                return False
            slots.store(fd, new.version, new.data)
        if new.version == 1:  # whoever made the file may have crashed before its name was on the disk
            self._port.sync(os.path.dirname(path))
        return True

    @contextmanager
    def _locked(self, path: str) -> Iterator[int]:
        """Hold the lock of the entry's file, which is made if need be."""
        give_up_at = self._clock.boot() + _LOCK_PATIENCE
        for _ in range(_LOOKS):
            with self._opened(path) as fd:
                self._lock(fd, path, give_up_at)
                try:
                    if _is_still_named(fd, path):
                        yield fd
                        return
                finally:
                    with suppress(
                        OSError
                    ):  # closing unlocks too, unless a child got the descriptor by a fork
                        unlock_descriptor(fd)
        raise BackendError(
            f"{path} is replaced again and again", "see which program does so; lock files must stay"
        )

    def _lock(self, fd: int, path: str, give_up_at: float) -> None:
        pause = _FIRST_TRY
        while not lock_descriptor(fd, blocking=False):
            if self._clock.boot() >= give_up_at:
                raise BackendError(
                    f"{path}: the file could not be locked within {_LOCK_PATIENCE:g}s",
                    "a node that has it hangs or has crashed; an NFS server takes it back after some 90 s",
                )
            self._clock.sleep(pause)
            pause = min(2 * pause, _LAST_TRY)

    @contextmanager
    def _opened(self, path: str) -> Iterator[int]:
        try:
            fd = _open(path, os.O_RDWR)
        except FileNotFoundError:
            self._make(path)
            fd = _open(path, os.O_RDWR)
        try:
            yield fd
        finally:
            os.close(fd)

    def _make(self, path: str) -> None:
        """Make an empty file aside, where it gets its group and mode, and link it into place: it replaces nothing."""
        aside = f"{os.path.dirname(path)}/{STAGING}{unique()}"
        try:
            self._port.write(aside, b"")
        except FileNotFoundError:
            self._make_missing(os.path.dirname(path))
            self._port.write(aside, b"")
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links; what is made in place has the wrong mode for a moment
            with suppress(FileExistsError):
                self._port.write(path, b"")
        finally:
            self._port.unlink(aside)

    def _make_missing(self, folder: str) -> None:
        self._share.refuse_if_emptied()
        make_missing(self._port, self._top, folder)

    def _names(self, folder: str, suffix: str) -> list[str]:
        try:
            names = self._port.list(folder)
        except (FileNotFoundError, NotADirectoryError):  # a person's note among the directories
            return []
        return sorted(
            n.removesuffix(suffix) for n in names if n.endswith(suffix) and is_name(n.removesuffix(suffix))
        )


def _open(path: str, mode: int) -> int:
    return os.open(path, mode | os.O_CLOEXEC | os.O_NOFOLLOW)


def _is_still_named(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _check_mount(root: str) -> None:
    with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
        mountinfo = file.read()
    recover = ""
    with suppress(FileNotFoundError), open(_RECOVER_LOST_LOCKS, encoding="ascii") as file:
        recover = file.read()
    if why := mounts.refusal(mountinfo, os.path.realpath(root), recover):
        raise StoreRefusedError(why, mounts.INSTEAD)
