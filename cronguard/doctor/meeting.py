"""Nodes that verify a backend together: they find each other in it, and exchange the swaps that they made.

Each node has its own notes, which only it writes. A note may be left over from an earlier meeting, so a node counts
as present only when its note names our run, which is new.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from cronguard.doctor.chain import Attempt, End
from cronguard.doctor.contender import end_of
from cronguard.store.contract import MAX_DATA, Backend, latest
from cronguard.store.update import update
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError

_LOOK = 0.5  # seconds between two reads of a note: people start the other nodes by hand
_ROOM = MAX_DATA - 4096  # bytes for the rows of a note; the rest is for the JSON around them


class Meeting(NamedTuple):
    """The nodes that meet. `run` is the ID of the run on `me`; those of the others are learned later."""

    me: str
    run: str
    others: tuple[str, ...]

    @property
    def name(self) -> str:
        """The same ID on all nodes of this meeting, and another one for any other set of nodes."""
        import hashlib

        return hashlib.sha256(",".join(sorted((self.me, *self.others))).encode()).hexdigest()[:12]

    @property
    def chain(self) -> str:
        """The key of the entry that all nodes swap."""
        return f"verify/chain/{self.name}"

    def note(self, node: str, part: int = 0) -> str:
        """Return the key of a node's note: part 0 holds its progress, the other parts its swaps."""
        return f"verify/{self.name}-{part}/{node}"


def join(backend: Backend, meeting: Meeting, patience: float, clock: Clock) -> tuple[End, dict[str, str]]:
    """Wait for the other nodes; return where the chain starts, and the ID of each node's run.

    The start is read before any other node can know about us, so before any node swaps. Raises BackendError if a
    node does not join.
    """
    first, met = _end(backend, meeting.chain), dict[str, str]()
    _put(backend, meeting.note(meeting.me), {"run": meeting.run, "met": met})

    def all_there() -> bool:
        notes = {node: _get(backend, meeting.note(node)) for node in meeting.others}
        seen = {node: note["run"] for node, note in notes.items() if note}
        if seen != met:
            met.clear()
            met.update(seen)
            _put(backend, meeting.note(meeting.me), {"run": meeting.run, "met": met})
        return all(note and note["met"].get(meeting.me) == meeting.run for note in notes.values())

    if not _wait(all_there, patience, clock):
        notes = {node: _get(backend, meeting.note(node)) for node in meeting.others}
        raise _absent(
            [n for n, note in notes.items() if not note or note["met"].get(meeting.me) != meeting.run]
        )
    return first, met


def tell(backend: Backend, meeting: Meeting, met: dict[str, str], attempts: list[Attempt]) -> int:
    """Publish the swaps of this node; return the number of notes that they needed."""
    parts = _parts(attempts) if meeting.others else []
    for number, rows in enumerate(parts, 1):
        _put(backend, meeting.note(meeting.me, number), {"run": meeting.run, "rows": rows})
    told = {"run": meeting.run, "met": met, "parts": len(parts)}
    _put(backend, meeting.note(meeting.me), told)
    return len(parts)


def gather(
    backend: Backend, meeting: Meeting, met: dict[str, str], patience: float, clock: Clock
) -> tuple[End, list[list[Any]]]:
    """Wait for the swaps of the other nodes; return where the chain ends, and their attempts as rows."""
    notes: dict[str, Any] = {}

    def all_told() -> bool:
        for node in meeting.others:
            note = _get(backend, meeting.note(node))
            if note and note["run"] == met[node] and "parts" in note:
                notes[node] = note
        return len(notes) == len(meeting.others)

    if not _wait(all_told, patience, clock):
        raise _absent([node for node in meeting.others if node not in notes])
    keys = [meeting.note(node, part) for node in notes for part in range(1, notes[node]["parts"] + 1)]
    rows = [row for key in keys for row in (_get(backend, key) or {"rows": []})["rows"]]
    return _end(backend, meeting.chain), rows


def leave(
    backend: Backend, meeting: Meeting, met: dict[str, str], parts: int, patience: float, clock: Clock
) -> None:
    """Clear the swaps that this node published, once the others have read them or `patience` seconds are over."""
    _put(backend, meeting.note(meeting.me), {"run": meeting.run, "met": met, "parts": parts, "read": True})

    def all_read() -> bool:
        notes = [(_get(backend, meeting.note(node)), run) for node, run in met.items()]
        return all(note and (note["run"] != run or "read" in note) for note, run in notes)

    _wait(all_read, patience, clock)
    for part in range(1, parts + 1):
        update(backend, meeting.note(meeting.me, part), lambda data, _: data, bytes, lambda _: b"")


def _parts(attempts: list[Attempt]) -> list[list[list[Any]]]:
    """Divide the attempts into parts that each fit into an entry."""
    parts: list[list[list[Any]]] = [[]]
    size = 0
    for attempt in attempts:
        row = [*attempt._replace(answer=attempt.answer.partition(":")[0])]
        size += len(json.dumps(row)) + 2
        if size > _ROOM:
            parts.append([])
            size = len(json.dumps(row)) + 2
        parts[-1].append(row)
    return parts


def _end(backend: Backend, key: str) -> End:
    entry = latest(backend, key)
    return end_of(entry.data, entry.version)


def _get(backend: Backend, key: str) -> Any:
    data = latest(backend, key).data
    return json.loads(data) if data else None


def _put(backend: Backend, key: str, note: dict[str, Any]) -> None:
    text = json.dumps(note).encode()
    update(backend, key, lambda data, _: data, bytes, lambda _: text)


def _wait(fact: Callable[[], bool], patience: float, clock: Clock) -> bool:
    give_up_at = clock.boot() + patience
    while not fact():
        if clock.boot() >= give_up_at:
            return False
        clock.sleep(_LOOK)
    return True


def _absent(nodes: list[str]) -> BackendError:
    return BackendError(
        f"{', '.join(nodes)} did not join, or stopped answering",
        "run doctor --verify there within the same minute, --with the other nodes; if you did, they use another store",
    )
