"""Changing an entry that many write: read, change, swap, and again if somebody else was faster."""

from collections.abc import Callable
from typing import TypeVar

from cronguard.store.contract import Backend
from cronguard.system.errors import BackendError

_TRIES = 20  # each lost race is somebody else's success; so many in a row need more writers than an entry has
Read = TypeVar("Read")


def update(
    backend: Backend,
    key: str,
    decode: Callable[[bytes, str], Read | None],
    encode: Callable[[Read], bytes],
    change: Callable[[Read | None], Read | None],
) -> Read | None:
    """Publish what `change` makes of the latest record, and return it; None from it leaves the entry as it is.

    `change` must be idempotent: it may be asked again about a record that has its change in it, since the answer
    to a swap can be lost. Raises BackendError, also when others are always faster.
    """
    for _ in range(_TRIES):
        entry = backend.read(key)
        changed = change(decode(entry.data, key))
        if changed is None:
            return None
        if backend.swap(entry, encode(changed)):
            return changed
        backend.wait(entry, 0.0)
    raise BackendError(f"{key}: it changes too fast to be changed from here", "try again")
