"""`file:/path`: lock files on NFS, or on any disk whose kernel locks work, with a record inside each locked file.

The kernel's lock is held for the few milliseconds of one read, compare and write, never for the length of a job.
The record is in the locked file itself, not beside it. When an NFS client gets a file's lock, it drops what it has
cached of that file, but not what it knows of other names. So a lock file is never replaced and never removed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import lock_descriptor, unlock_descriptor

from cronguard.model.job import is_name
from cronguard.store.contract import TERMS, Entry, Terms, check_data, check_key, storage_errors
from cronguard.store.files import slots
from cronguard.store.files.fileport import STAGING, make_missing, store_time, unique
from cronguard.store.files.localport import LocalPort
from cronguard.store.files.medium import check_medium
from cronguard.store.files.share import Share
from cronguard.store.files.slots import Latest
from cronguard.store.shared.polling import poll
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, StoreBusyError, StoreRefusedError
from cronguard.system.statedir import StateDir

_SUFFIX = ".lock"
# Seconds. Sixty contenders on a disk that takes a tenth of a second for an fsync finish in six. A client that keeps a
# lock for longer than ten has crashed or is cut off. An NFS server takes the lock back when that client's 90 s are
# over, and the caller, which has a deadline to meet, must know before that: after a third of its time limit.
_LOCK_PATIENCE, _SHARE = 10.0, 3
# Pauses between tries, in seconds. A lock is held for a few ms, and each try costs an NFS server a request.
_FIRST_TRY, _LAST_TRY = 0.001, 0.05
_LOOKS = 20  # somebody may move a lock file away while we wait for its lock, but not twenty times in a row


class FileBackend:
    """One lock file per entry, `<root>/file-v1/<kind>/<ns>/<name>.lock`, in a directory that the nodes share."""

    def __init__(
        self, share: Share, clock: Clock, terms: Terms = TERMS, *, is_any_mount_fine: bool = False
    ) -> None:
        """Raise StoreRefusedError on a mount whose locks do not reach other machines or can be lost unnoticed."""
        if not is_any_mount_fine:
            check_medium(share, clock, terms)
        self._share = share
        self._top = share.top
        self._port = LocalPort(share.root)
        self._clock = clock
        self._patience = min(_LOCK_PATIENCE, terms.patience / _SHARE)

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> "FileBackend":
        """Return a backend for the URL.

        Raises BackendError if the directory does not exist, StoreRefusedError if it is not safe to use.
        """
        share = Share(url, state)
        with storage_errors(share.root):
            return cls(share, clock, terms)

    def read(self, key: str) -> Entry:
        """Return the latest version. The lock is taken only if a read without it shows no complete version."""
        path = self._path(key)
        with storage_errors(path):
            try:
                fd = _open(path, os.O_RDONLY)
            except FileNotFoundError:
                self._share.check_emptiness()
                return Entry(key, 0, b"")
            try:
                return self._entry(key, fd, slots.load(fd, path))
            except StoreRefusedError:  # two writes may have happened during the read
                return self._read_locked(key)
            finally:
                os.close(fd)

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Compare and write under the lock.

        After a successful fsync nothing is read back: an NFS v4 server refuses a write whose lock was lost, and
        reports it. After an error the write may have reached the file all the same, completely or not. So the step is
        repeated once, and may then replace our own data too. Data found there is written again, because nobody knows
        how much of it is on the disk.
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
        """Walk the tree below the prefix, in name order."""
        kind = prefix.partition("/")[0]
        with storage_errors(self._top):
            for ns in self._names(f"{self._top}/{kind}", ""):
                for name in self._names(f"{self._top}/{kind}/{ns}", _SUFFIX):
                    key = f"{kind}/{ns}/{name}"
                    if key.startswith(prefix) and (entry := self.read(key)).version:
                        self._share.remember()
                        yield entry

    def wait(self, entry: Entry, timeout: float) -> None:
        """Poll under the lock: getting it makes an NFS client drop what it has cached of the file."""
        with storage_errors(self._path(entry.key)):
            poll(self._clock, timeout, lambda: self._read_locked(entry.key).version != entry.version)

    def now(self) -> float | None:
        """Return the time of a directory just created: the store's clock, not this node's."""
        with storage_errors(self._top):
            try:
                return store_time(self._port, self._top)
            except FileNotFoundError:
                self._make_missing(self._top)
                return store_time(self._port, self._top)

    def close(self) -> None:
        """Do nothing: nothing is kept open."""

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
        """Write `new` if the latest version is one of `over`.

        The data is compared too, not only the number: a server that crashed may have lost a version that somebody had
        read.
        """
        with self._locked(path) as fd:
            if slots.load(fd, path) not in over:
                return False
            slots.store(fd, new.version, new.data)
        # The process that created the file may have crashed before its name was on the disk.
        if new.version == 1:
            self._port.sync(os.path.dirname(path))
        return True

    @contextmanager
    def _locked(self, path: str) -> Iterator[int]:
        """Hold the lock on the entry's file, which is created if necessary."""
        give_up_at = self._clock.boot() + self._patience
        for _ in range(_LOOKS):
            with self._opened(path) as fd:
                self._lock(fd, path, give_up_at)
                try:
                    if _is_still_named(fd, path):
                        yield fd
                        return
                finally:
                    # Closing unlocks too, unless a child inherited the descriptor by a fork.
                    with suppress(OSError):
                        unlock_descriptor(fd)
        raise BackendError(
            f"{path} is replaced again and again",
            "find out which program does so; lock files must stay in place",
        )

    def _lock(self, fd: int, path: str, give_up_at: float) -> None:
        pause = _FIRST_TRY
        while not lock_descriptor(fd, blocking=False):
            if self._clock.boot() >= give_up_at:
                raise StoreBusyError(
                    f"{path} is locked: another process has not released it for {self._patience:g}s",
                    "the node that holds the lock hangs, has crashed or is cut off; an NFS server takes the lock back "
                    "when its lease and grace time are over (90 s by default)",
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
        """Create an empty file and link it into place, which replaces nothing.

        It is created under another name first, where it gets its group and mode.
        """
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
        except OSError:  # no hard links here; a file created in place has the wrong mode for a moment
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
        except (FileNotFoundError, NotADirectoryError):  # somebody left a file among the directories
            self._share.check_emptiness()
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
