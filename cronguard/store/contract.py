"""The backend contract: one atomic step, publish the next version of an entry."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Protocol

from cronguard.model.job import is_name
from cronguard.store.url import PATHS, refuse_password, without_secrets
from cronguard.system.clock import Clock
from cronguard.system.errors import (
    BackendError,
    ConfigError,
    CronguardError,
    StoreForbiddenError,
    StoreRefusedError,
)
from cronguard.system.statedir import StateDir
from cronguard.system.stderr import say

MAX_DATA = 64 * 1024


class Terms(NamedTuple):
    """What a backend owes who opens it.

    It may try for `patience` seconds to reach its store, and should then say why it could not, before the caller
    gives it up for silent. What a person should put right, though the store can be used, goes to `warn`.
    """

    patience: float = 30.0
    warn: Callable[[str], None] = say


TERMS = Terms()


class Entry(NamedTuple):
    """One version of what is kept under a key.

    `version` is 0, and `data` empty, for a key never written. `data` may be empty later too: forgotten.
    `age` is the seconds since this version was published, as well as the store tells without a write (None:
    it does not); it may be wrong by the difference of two clocks, so it is for people and for advice.
    """

    key: str
    version: int
    data: bytes
    age: float | None = None


class Backend(Protocol):
    """A place where nodes meet. It keeps entries of at most MAX_DATA bytes and knows no time limits.

    Locks, renewals, takeovers and queues are written once, above it, from `swap` alone. Every method raises
    BackendError, with a hint for a person, for anything unexpected; "somebody else was faster" is a value.
    A call on hung storage may never return: callers make it where they can be abandoned.
    """

    def read(self, key: str) -> Entry:
        """Return the latest version, complete.

        It MAY be stale (a swap of a stale entry fails); it MUST NOT be half of one, or of a version never
        published.
        """
        ...

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Publish data as the version after `entry`, if `entry` is still the latest.

        MUST be linearizable per key: of all calls that swap the same entry, one at most succeeds, whatever
        crashes, repeats or is lost, and when it returns the new entry the data survives the store's restart.
        None means "you are not the latest": the data may still have been published, and built on, so every
        record carries an id of its own and the caller reads again. Where a reply may be lost, the backend
        reads back and recognises its own data; if it still cannot tell, it raises BackendError.
        """
        ...

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Yield the latest version of every entry whose key starts with `prefix` (whole parts: `lease/ns/`)."""
        ...

    def wait(self, entry: Entry, timeout: float) -> None:
        """Return when the entry may have changed, or `timeout` seconds have passed.

        After it, `read` MUST show what others had published when it returned, caches notwithstanding.
        """
        ...

    def now(self) -> float | None:
        """Return the store's wall clock; None if it has none. For warnings, display and ages, never for safety."""
        ...

    def close(self) -> None:
        """Give connections and descriptors back."""
        ...


# The whole list: a backend is imported only when a URL names it.
SCHEMES = {
    "dir": "cronguard.store.files.directory:DirectoryBackend",
    "etcd": "cronguard.store.etcd.etcd:EtcdBackend",
    "etcds": "cronguard.store.etcd.etcd:EtcdBackend",
    "file": "cronguard.store.files.file:FileBackend",
    "local": "cronguard.store.files.directory:LocalBackend",
    "postgres": "cronguard.store.sql.postgres:PostgresBackend",
    "postgresql": "cronguard.store.sql.postgres:PostgresBackend",
    "redis": "cronguard.store.redis.redis:RedisBackend",
    "redis+sentinel": "cronguard.store.redis.redis:RedisBackend",
    "rediss": "cronguard.store.redis.redis:RedisBackend",
    "rediss+sentinel": "cronguard.store.redis.redis:RedisBackend",
    "ssh": "cronguard.store.ssh.ssh:SSHBackend",
}
_EXTRAS = {"postgres": "postgres", "redis": "redis"}  # what brings the library of a backend, by its module


def open_backend(url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> Backend:
    """Open what a URL such as `dir:/path` names (`local` stands for this machine alone).

    A backend that can lose its connection looks for another one for `terms.patience` seconds a call, not longer.
    Raises ConfigError for an unknown scheme or a malformed address, BackendError when it cannot be used.
    """
    backend: Backend = import_backend(url).open(url, clock, state, terms)
    return backend


def import_backend(url: str) -> Any:
    """Return the class that a URL's scheme names; raises ConfigError if it is not in the list, or lacks its library."""
    from importlib import import_module

    scheme = scheme_of(url)
    module, _, name = SCHEMES[scheme].partition(":")
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        extra = _EXTRAS.get(_module_of(scheme))
        if extra is None:
            raise
        raise ConfigError(
            f"backend: {scheme} needs a library that is not there: {error}",
            f"pip install 'cronguard[{extra}]', where cronguard is installed",
        ) from error


def prepare_backend(url: str) -> None:
    """Import what opening it later will need: the disk may be gone by then. What is wrong is told when it is opened.

    An engine's library is left out: it costs a fifth of a second, and its store is on no disk of this node.
    """
    with suppress(CronguardError):
        if _module_of(scheme_of(url)) not in _EXTRAS:
            import_backend(url)


def _module_of(scheme: str) -> str:
    return SCHEMES[scheme].partition(":")[0].rpartition(".")[2]


def scheme_of(url: str) -> str:
    """Return the scheme of a backend URL; raises ConfigError for one that is not in the list, or has a password."""
    scheme = url.partition(":")[0]
    refuse_password(url)
    is_known = url == "local" if scheme == "local" else scheme in SCHEMES
    if not is_known or not (scheme == "local" or url.startswith((*PATHS, f"{scheme}://"))):
        raise ConfigError(
            f"backend: {without_secrets(url)!r} is not a backend",
            "write local, dir:/shared/folder, file:/nfs/folder, ssh://user@host/folder, etcd://host/prefix, "
            "postgres://user@host/database or redis://host/0 (all are under BACKENDS in the manual)",
        )
    return scheme


def latest(backend: Backend, key: str) -> Entry:
    """Read an entry past all caches: for who relies on what was said there a moment ago."""
    backend.wait(Entry(key, 0, b""), 0.0)
    return backend.read(key)


@contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Turn what the operating system says of the store at `where` into errors for a person."""
    try:
        yield
    except OSError as error:
        told = f"{error.filename or where}: {error.strerror or error}"
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = "the job's user must be able to write there; see the store's group and mode, and its mount"
            raise StoreForbiddenError(told, hint) from error
        if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.ELOOP):
            hint = "something that is not cronguard's is in its place: see ls -l"
            raise StoreRefusedError(told, hint) from error
        raise BackendError(
            told, "see whether the store is mounted, has space, and answers (df, ls)"
        ) from error


def check_key(key: str) -> str:
    """Return the key; a malformed one is a bug above, caught before it becomes a path."""
    if not is_key(key):
        raise AssertionError(f"malformed key {key!r}")
    return key


def is_key(key: str) -> bool:
    """Return whether the key may be one of ours; in a store that others use there may be more below our prefix."""
    parts = key.split("/")
    return len(parts) == 3 and all(map(is_name, parts))


def check_data(data: bytes) -> bytes:
    """Return the data; more than MAX_DATA is a bug above."""
    if len(data) > MAX_DATA:
        raise AssertionError(f"an entry of {len(data)} bytes is over the {MAX_DATA} that backends keep")
    return data
