"""The shared directory that a URL names: the administrator makes it, and this node remembers having used it."""

import os
import stat

from cronguard.backend import absolute_path, storage_errors
from cronguard.errors import BackendError, ConfigError, StoreRefusedError
from cronguard.statedir import StateDir

_LAYOUTS = {"dir": "v1", "file": "file-v1"}  # two of them in one place would not see each other's locks


class Share:
    """A directory that must be there before we come: one of our own making, off the share, would guard nothing.

    `root` is its path and `top` the directory in it under which everything of ours lies.
    """

    def __init__(self, url: str, state: StateDir) -> None:
        """Raise BackendError if the directory is not there, ConfigError or StoreRefusedError if it cannot be used."""
        self._url = url
        self._state = state
        self.root = absolute_path(url)
        scheme = url.partition(":")[0]
        self.top = f"{self.root.rstrip('/')}/{_LAYOUTS[scheme]}"
        with storage_errors(self.root):
            self._require_directory(scheme)
            self._refuse_another_layout(scheme)

    def remember(self) -> None:
        """Keep in mind that this node has used this store."""
        if not self._state.load("store", self._url):
            self._state.store("store", self._url, self._url.encode())

    def refuse_if_emptied(self) -> None:
        """Raise BackendError if a store that this node has used is gone: an unmounted share looks just like that."""
        if self._state.load("store", self._url) and not os.path.isdir(self.top):
            raise BackendError(
                f"{self.top} is gone, but this node has used it",
                f"is the share mounted? if the store was emptied on purpose: mkdir {self.top}",
            )

    def _require_directory(self, scheme: str) -> None:
        try:
            found = os.stat(self.root)
        except FileNotFoundError:
            hint = (
                f"is the share mounted? if it is new: mkdir {self.root}, with the group and mode of its users"
            )
            raise BackendError(f"{self.root} does not exist", hint) from None
        if not stat.S_ISDIR(found.st_mode):
            raise ConfigError(f"{self.root} is not a directory", f"give {scheme}: the path of a directory")

    def _refuse_another_layout(self, scheme: str) -> None:
        for other, top in _LAYOUTS.items():
            if other != scheme and os.path.lexists(f"{self.root}/{top}"):
                raise StoreRefusedError(
                    f"{self._url}: the directory is in use as {other}:{self.root}",
                    f"two kinds of store do not see each other's locks: write {other}: here too, "
                    "or give all nodes another directory",
                )
