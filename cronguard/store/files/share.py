"""The shared directory that a URL names. The administrator creates it, and this node records that it used it."""

import os
import stat
from collections.abc import Callable

from cronguard.store.contract import storage_errors
from cronguard.store.files.marker import remember, trace_of_use
from cronguard.system.errors import BackendError, ConfigError, StoreRefusedError
from cronguard.system.statedir import StateDir

_DAY = 86400.0
# Two layouts in one directory would not see each other's locks. Different ways to reach one layout may be mixed.
_LAYOUTS = {"dir": "v1", "ssh": "v1", "file": "file-v1"}


def is_directory(path: str) -> bool | None:
    """Return whether a path on this machine is a directory; None if it does not exist."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


class Share:
    """A directory that must already exist: one that cronguard created outside the share would protect nothing.

    `root` is its path, and `top` the directory in it that holds everything of cronguard's. `where` is its name in
    messages, and `look` examines its paths as `is_directory` does.
    """

    def __init__(
        self,
        url: str,
        state: StateDir,
        root: str | None = None,
        where: str | None = None,
        look: Callable[[str], bool | None] = is_directory,
    ) -> None:
        """Raise BackendError if the directory does not exist, ConfigError or StoreRefusedError if it cannot be used."""
        self._url = url
        self._state = state
        self._look = look
        self._is_there = self._is_remembered = False
        self.root = root or absolute_path(url)
        self._where = where or self.root
        scheme = url.partition(":")[0]
        self.top = f"{self.root.rstrip('/')}/{_LAYOUTS[scheme]}"
        with storage_errors(self._where):
            self._require_directory(scheme)
            self._refuse_another_layout(scheme)

    def remember(self) -> None:
        """Record that this node has used this store."""
        if not self._is_remembered:
            remember(self._state, self._url)
        self._is_remembered = True

    def tell_daily(self, text: str, warn: Callable[[str], None], wall: float) -> None:
        """Warn of something about this share at most once a day on this node: cron mails each warning."""
        age = self._state.age("told", self._url, wall)
        if age is None or not 0 <= age < _DAY:
            self._state.store("told", self._url, b"")
            warn(text)

    def refuse_if_emptied(self) -> None:
        """Raise BackendError if a store that this node has used is gone: an unmounted share looks exactly like that."""
        if (why := trace_of_use(self._state, self._url)) and not self._look(self.top):
            raise BackendError(
                f"{self._where.rstrip('/')}/{os.path.basename(self.top)} is gone, but {why}",
                f"check that the share is mounted; if the store was emptied on purpose, run: mkdir {self.top}",
            )

    def check_emptiness(self) -> None:
        """Do the same for a read that finds nothing; where there is a store, ask only once."""
        if not self._is_there:
            self.refuse_if_emptied()
            self._is_there = True

    def _require_directory(self, scheme: str) -> None:
        found = self._look(self.root)
        if found is None:
            hint = (
                f"check that the share is mounted; if it is new, run: mkdir {self.root} "
                "(with the group and mode of its users)"
            )
            raise BackendError(f"{self._where} does not exist", hint)
        if not found:
            raise ConfigError(f"{self._where} is not a directory", f"give {scheme}: the path of a directory")

    def _refuse_another_layout(self, scheme: str) -> None:
        for other, top in _LAYOUTS.items():
            if top != _LAYOUTS[scheme] and self._look(f"{self.root.rstrip('/')}/{top}") is not None:
                raise StoreRefusedError(
                    f"{self._url}: the directory is in use as {other}:{self.root}",
                    f"two kinds of store do not see each other's locks: use {other}: here too, "
                    "or another directory on all nodes",
                )


def absolute_path(url: str) -> str:
    """Return the path of a URL like `dir:/path`; raises ConfigError unless it is absolute and plain."""
    path = url.partition(":")[2]
    plain = path.startswith("/") and "\0" not in path and ".." not in path.split("/")
    if not plain:
        raise ConfigError(
            f"backend: {url!r} needs an absolute path without '..'", "write dir:/shared/directory"
        )
    return path.rstrip("/") or "/"
