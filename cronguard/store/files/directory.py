"""`dir:/path`, a directory on shared storage, and `local`, a directory on this machine alone."""

import os
from collections.abc import Iterator
from contextlib import suppress

from cronguard.model.job import is_name
from cronguard.store.contract import TERMS, Entry, Terms, storage_errors
from cronguard.store.files.fileport import FilePort
from cronguard.store.files.localport import LocalPort
from cronguard.store.files.share import Share
from cronguard.store.files.versioned import VersionedBackend
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir


class DirectoryBackend(VersionedBackend):
    """Versions in a directory that the nodes share. The administrator creates it; cronguard creates its contents."""

    unlinks_at_once = False

    def __init__(self, share: Share, clock: Clock, port: FilePort | None = None) -> None:
        super().__init__(port or LocalPort(share.root), share.root, clock)
        self._share = share

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> "DirectoryBackend":
        """Return a backend for the URL.

        Raises BackendError if the directory does not exist, StoreRefusedError if it holds another kind of store.
        """
        share = Share(url, state)
        with storage_errors(share.root):
            return cls(share, clock)

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Publish the next version, and record that this node has used this store."""
        published = super().swap(entry, data)
        if published:
            self._share.remember()
        return published

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Walk the tree, and record that this node has found something: the next time there must be something."""
        for entry in super().scan(prefix):
            self._share.remember()
            yield entry

    def _check_emptiness(self) -> None:
        self._share.check_emptiness()

    def _make_all(self, folder: str) -> None:
        """Refuse to start a new store where this node has used one: an unmounted share looks exactly like that."""
        self._share.refuse_if_emptied()
        super()._make_all(folder)


class LocalBackend(VersionedBackend):
    """Versions in this node's own state directory: mutual exclusion on this node, not between machines."""

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> "LocalBackend":
        """Create the directory if necessary; raises StoreForbiddenError if this user cannot."""
        root = f"{state.root}/local/{_machine()}"
        with storage_errors(root):
            state.make_folder(root)
            return cls(LocalPort(root), root, clock)

    def _put_leavings_away(self, folder: str, names: list[str]) -> None:
        """Remove also what a crashed process had put away: nobody else tidies a node's own directory."""
        super()._put_leavings_away(folder, names)
        self.tidy()


def _machine() -> str:
    """Return a name for this machine: many machines may share a home directory, but `local` is for one."""
    with suppress(OSError), open("/etc/machine-id", encoding="ascii", errors="replace") as file:
        name = file.read().strip()
        if is_name(name):
            return name
    return os.uname().nodename
