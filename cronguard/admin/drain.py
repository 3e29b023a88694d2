"""Pause a node, so that no strategy gives it a turn, and resume it: for a reboot or a repair."""

import os

from cronguard.model.beat import PREFIX, Beat, beat_key, decode, encode
from cronguard.model.pause import Pause
from cronguard.model.record import decode as decode_lease
from cronguard.store.contract import Backend, latest
from cronguard.store.update import update
from cronguard.system.errors import StoreRefusedError, UsageError


def pause(backend: Backend, node: str, pause_: Pause, known: tuple[str, ...], *, force: bool = False) -> None:
    """Pause a node. Runs in progress go on to their end.

    Unless `force`, raises UsageError for a node that is neither `known` nor in the store.
    """
    if not force:
        check_known(backend, node, known)
    _change(backend, node, pause_)


def resume(backend: Backend, node: str, known: tuple[str, ...]) -> str:
    """Resume a node; return what was done. Raises UsageError for an unknown node."""
    check_known(backend, node, known)
    before = decode(latest(backend, beat_key(node)).data, node)  # a cached entry may lack the pause
    if before is None or before.pause is None:
        return f"{node} is not paused"
    _change(backend, node, None)
    return f"{node} is resumed"


def check_known(backend: Backend, node: str, known: tuple[str, ...]) -> None:
    """Raise UsageError for a node that is neither `known` nor in the store."""
    if node not in known and node not in (found := _nodes(backend)):
        told = ", ".join(sorted({*known, *found}))
        raise UsageError(f"--node: unknown node {node}; known nodes: {told}", "check the spelling")


def _change(backend: Backend, node: str, pause_: Pause | None) -> None:
    by = os.urandom(8).hex()

    def changed(old: Beat | None) -> Beat | None:
        known = old or Beat(node)
        return None if known.pause == pause_ else known._replace(pause=pause_).published(by)

    update(backend, beat_key(node), decode, encode, changed)


def _nodes(backend: Backend) -> set[str]:
    """Return all nodes with an entry or a run in the store."""
    beats = {entry.key.removeprefix(PREFIX) for entry in backend.scan(PREFIX) if entry.data}
    return beats | _runners(backend)


def _runners(backend: Backend) -> set[str]:
    found = set()
    for entry in backend.scan("lease/"):
        try:
            record = decode_lease(entry.data, entry.key)
        except StoreRefusedError:
            continue
        if record:
            found.add(record.node)
    return found
