"""Change an entry that has many writers: read, change, swap, and repeat after a lost race."""

from collections.abc import Callable
from typing import TypeVar

from cronguard.store.contract import Backend
from cronguard.system.errors import BackendError

_TRIES = 20  # another writer succeeds in each lost race; losing this many in a row takes more writers than an entry has
Read = TypeVar("Read")


def update(
    backend: Backend,
    key: str,
    decode: Callable[[bytes, str], Read | None],
    encode: Callable[[Read], bytes],
    change: Callable[[Read | None], Read | None],
) -> Read | None:
    """Publish what `change` makes of the latest record, and return it. If `change` returns None, change nothing.

    `change` must be idempotent: it may be called again with a record that already contains its change, because the
    answer to a swap can be lost. Raises BackendError, also if other writers win every race.
    """
    for _ in range(_TRIES):
        entry = backend.read(key)
        changed = change(decode(entry.data, key))
        if changed is None:
            return None
        if backend.swap(entry, encode(changed)):
            return changed
        backend.wait(entry, 0.0)
    raise BackendError(f"{key}: could not be updated because others keep changing it", "try again")
