"""The backend contract. It has one atomic operation: publish the next version of an entry."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
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
    """The terms on which a backend is opened.

    A backend may try to reach its store for `patience` seconds. It should then report why it failed, before the
    caller concludes that it does not answer. Problems that a person should fix, but that leave the store usable, go
    to `warn`. `run_for` is how many seconds the caller can go on without an answer, once it holds a lease.
    """

    patience: float = 30.0
    warn: Callable[[str], None] = say
    run_for: float = inf


TERMS = Terms()


class Entry(NamedTuple):
    """One version of the data kept under a key.

    A key that was never written has `version` 0 and empty `data`. `data` may also become empty later: the entry was
    forgotten. `age` is the time in seconds since this version was published, as far as the store can tell without a
    write; None if it cannot. It may be wrong by the difference between two clocks, so it serves only display and
    advice.
    """

    key: str
    version: int
    data: bytes
    age: float | None = None


class Backend(Protocol):
    """A store that the nodes share. It keeps entries of at most MAX_DATA bytes and knows nothing of time limits.

    Locks, renewals, takeovers and queues are written once, above the backend, with `swap` alone. Every method raises
    BackendError, with a hint for a person, for anything unexpected. A lost race is not an error but a return value.
    A call on hung storage may never return, so callers make it where it can be abandoned.
    """

    def read(self, key: str) -> Entry:
        """Return the latest version, complete.

        It MAY be stale (a swap of a stale entry fails). It MUST NOT be part of a version, or a version that was
        never published.
        """
        ...

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Publish `data` as the version after `entry`, if `entry` is still the latest version.

        MUST be linearizable per key: of all calls that swap the same entry, at most one succeeds, whatever crashes,
        is repeated or is lost. When it returns the new entry, the data MUST survive a restart of the store.

        None means that `entry` is not the latest version. The data may have been published all the same, and later
        versions built on it, so every record carries its own ID and the caller reads again. If a reply may have been
        lost, the backend reads back and recognises its own data. If it still cannot tell, it raises BackendError.
        """
        ...

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Yield the latest version of every entry whose key starts with `prefix` (whole parts only: `lease/ns/`)."""
        ...

    def wait(self, entry: Entry, timeout: float) -> None:
        """Return when the entry may have changed, or after `timeout` seconds.

        A later `read` MUST, despite any caches, show what others had published by the time `wait` returned.
        """
        ...

    def now(self) -> float | None:
        """Return the time of the store's wall clock, or None if it has no clock.

        It is for warnings, display and ages, never for safety.
        """
        ...

    def close(self) -> None:
        """Release connections and file descriptors."""
        ...


# All backends. Each one is imported only when a URL names it.
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
_EXTRAS = {"postgres": "postgres", "redis": "redis"}  # backend module: the extra that installs its library


def open_backend(url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> Backend:
    """Open the backend that a URL names, for example `dir:/path` (`local` means this machine alone).

    A backend that loses its connection tries for at most `terms.patience` seconds per call to get another one.
    Raises ConfigError for an unknown scheme or a malformed address, and BackendError if the backend cannot be used.
    """
    backend: Backend = import_backend(url).open(url, clock, state, terms)
    return backend


def import_backend(url: str) -> Any:
    """Return the class for a URL's scheme; raises ConfigError if it is unknown or its library is not installed."""
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
            f"backend: {scheme} needs a library that is not installed: {error}",
            f"in cronguard's Python environment, run: pip install 'cronguard[{extra}]'",
        ) from error


def prepare_backend(url: str) -> None:
    """Import what opening the backend will need, because the disk may be gone by then.

    Errors are reported when the backend is opened. The library of an engine is left out: importing it takes a fifth
    of a second, and its store is not on a disk of this node.
    """
    with suppress(CronguardError):
        if _module_of(scheme_of(url)) not in _EXTRAS:
            import_backend(url)


def _module_of(scheme: str) -> str:
    return SCHEMES[scheme].partition(":")[0].rpartition(".")[2]


def scheme_of(url: str) -> str:
    """Return the scheme of a backend URL; raises ConfigError if it is unknown or the URL contains a password."""
    scheme = url.partition(":")[0]
    refuse_password(url)
    is_known = url == "local" if scheme == "local" else scheme in SCHEMES
    if not is_known or not (scheme == "local" or url.startswith((*PATHS, f"{scheme}://"))):
        raise ConfigError(
            f"backend: {without_secrets(url)!r} is not a backend URL",
            "use local, dir:/shared/directory, file:/nfs/directory, ssh://user@host/directory, etcd://host/prefix, "
            "postgres://user@host/database or redis://host/0 (see BACKENDS in the manual)",
        )
    return scheme


def latest(backend: Backend, key: str) -> Entry:
    """Read an entry and bypass all caches, for callers that rely on what was published a moment ago."""
    backend.wait(Entry(key, 0, b""), 0.0)
    return backend.read(key)


@contextmanager
def storage_errors(where: str) -> Iterator[None]:
    """Turn operating system errors from the store at `where` into errors for a person."""
    try:
        yield
    except OSError as error:
        told = f"{error.filename or where}: {error.strerror or error}"
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = "the job's user must be able to write there: check the store's group, mode and mount"
            raise StoreForbiddenError(told, hint) from error
        if error.errno in (errno.ENOTDIR, errno.EISDIR, errno.ELOOP):
            hint = "something that cronguard did not create is in its place: check with ls -l"
            raise StoreRefusedError(told, hint) from error
        raise BackendError(
            told, "check that the store is mounted, has free space and answers (df, ls)"
        ) from error


def check_key(key: str) -> str:
    """Return the key. A malformed key is a bug in the caller, caught before it becomes a path."""
    if not is_key(key):
        raise AssertionError(f"malformed key {key!r}")
    return key


def is_key(key: str) -> bool:
    """Return whether the key may be one of ours. In a shared store, others may have keys below our prefix."""
    parts = key.split("/")
    return len(parts) == 3 and all(map(is_name, parts))


def check_data(data: bytes) -> bytes:
    """Return the data. More than MAX_DATA bytes are a bug in the caller."""
    if len(data) > MAX_DATA:
        raise AssertionError(f"an entry of {len(data)} bytes exceeds the {MAX_DATA} that a backend keeps")
    return data
