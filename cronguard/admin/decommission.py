"""Forget a node that no longer exists: remove what it left in the store."""

import os

from cronguard.admin.active import running
from cronguard.admin.drain import check_known
from cronguard.admin.override import HeldError
from cronguard.model import rotation
from cronguard.model.beat import beat_key, decode
from cronguard.model.target import NODE, Target
from cronguard.store.contract import Backend, Entry, latest
from cronguard.store.update import update
from cronguard.system.errors import StoreRefusedError


def forget(backend: Backend, node: str, known: tuple[str, ...], wall: float, *, force: bool) -> str:
    """Empty the node's entry (and its pause), and take the node out of every round robin; return what was done.

    Raises UsageError for an unknown node. Unless `force`, raises HeldError for a node with a recent heartbeat or a
    running job. The node's runs stay in the histories of the jobs.
    """
    check_known(backend, node, known)
    if not force:
        _check_gone(backend, node, wall)
    while (entry := latest(backend, beat_key(node))).data and not backend.swap(entry, b""):
        continue
    for entry in backend.scan("queue/"):
        _leave(backend, entry, node)
    configured = "; the configuration still names it: remove it from nodes" if node in known else ""
    return f"{node} is forgotten{configured}"


def _check_gone(backend: Backend, node: str, wall: float) -> None:
    beat = decode(latest(backend, beat_key(node)).data, node)
    if beat and beat.beat and beat.is_recent(wall):
        raise HeldError(
            f"{node} is alive: its last heartbeat was {max(0.0, wall - beat.wall):.0f}s ago",
            f"stop its heartbeat first; to keep it from running jobs: cronguard pause --node {node}",
        )
    if busy := running(backend, Target(NODE, node)):
        raise HeldError(
            f"{node} is running {', '.join(busy)}",
            "if it is dead, wait until another node has taken the job over, or run: cronguard unlock --force NS/JOB",
        )


def _leave(backend: Backend, entry: Entry, node: str) -> None:
    """Take the node out of a queue. A queue that cannot be read is left as it is, for a person to repair."""
    by = os.urandom(8).hex()

    def without(old: rotation.Rotation | None) -> rotation.Rotation | None:
        return old.without(node).published(by) if old and node in old.nodes else None

    try:
        update(backend, entry.key, rotation.decode, rotation.encode, without)
    except StoreRefusedError:
        return
