"""`doctor --init`: create the directory or the table that a backend needs before its first use."""

import os
from typing import Any

from cronguard.doctor.finding import Finding, ok
from cronguard.store.contract import Terms, import_backend, scheme_of, storage_errors
from cronguard.store.files.marker import trace_of_use
from cronguard.store.files.share import absolute_path
from cronguard.store.storage import Storage
from cronguard.system.errors import BackendError, UsageError

_SHARED, _OWN = 0o2770, 0o700


def prepare(storage: Storage, group: str | None) -> list[Finding]:
    """Create what is missing, and report it; raises BackendError if that cannot or must not be done."""
    scheme = scheme_of(storage.url)
    if scheme in ("dir", "file"):
        told = storage.do(lambda: make_directory(storage, group))
    elif scheme == "local":
        told = storage.ask(lambda _: "the directory of the local backend exists")
    elif scheme == "ssh":
        told = storage.do(lambda: _make_remote(storage))
    elif scheme in ("postgres", "postgresql"):
        told = storage.ask(_make_table)
    else:
        told = f"nothing to create for {scheme}: its first use does that"
    return [ok("init", told)]


def group_number(name: str | None) -> int | None:
    """Return the GID of a group; raises UsageError if there is no such group."""
    from grp import getgrnam

    try:
        return None if name is None else getgrnam(name).gr_gid
    except KeyError:
        raise UsageError(
            f"--group: there is no group {name!r} on this node", f"create it: groupadd {name}"
        ) from None


def make_directory(storage: Storage, group: str | None) -> str:
    """Create a shared directory, but not its parents: if those are missing, the share is not mounted."""
    path, number = absolute_path(storage.url), group_number(group)
    with storage_errors(path):
        if os.path.isdir(path):
            return f"{path} exists"
        if why := trace_of_use(storage.state, storage.url):
            raise BackendError(f"{path} is gone, but {why}", "check that the share is mounted")
        if not os.path.isdir(os.path.dirname(path)):
            raise BackendError(f"{os.path.dirname(path)} does not exist", "check that the share is mounted")
        os.mkdir(path, _OWN)
        if number is None:
            return (
                f"created {path}, mode {_OWN:04o}, for the jobs of this user only (use --group to share it)"
            )
        try:
            os.chown(path, -1, number)
            os.chmod(path, _SHARED)
        except PermissionError as error:
            os.rmdir(path)  # otherwise it would exist, but be closed to the users that it is meant for
            told = f"{path}: only root or a member of the group {group} can give it to that group"
            raise BackendError(told, "run sudo cronguard doctor --init, with the same options") from error
    return f"created {path}, group {group}, mode {_SHARED:04o}"


def _make_remote(storage: Storage) -> str:
    path = storage.url.partition("://")[2]
    backend = import_backend(storage.url)
    made = backend.make_root(storage.url, storage.clock, storage.state, Terms(storage.timeout), _SHARED)
    return f"created {path}, mode {_SHARED:04o}" if made else f"{path} exists"


def _make_table(backend: Any) -> str:
    backend.make_table()
    return "the table public.cronguard exists"
