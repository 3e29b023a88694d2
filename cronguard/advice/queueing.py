"""A run's side of its job's round robin: it reads the queue, joins it, and brings it up to date."""

from collections.abc import Callable

from cronguard.lease.claim import Ask
from cronguard.model.record import Record
from cronguard.model.rotation import Rotation, decode, encode, queue_key
from cronguard.store.contract import Backend, Entry
from cronguard.store.update import update
from cronguard.turns.turn import Turn


class Queueing:
    """The queue as one run sees it. All methods pass on the backend's BackendError; with `is_look` they only read."""

    def __init__(
        self, backend: Backend, ask: Ask, answered: Callable[[], None], *, is_look: bool = False
    ) -> None:
        self._backend, self._ask = backend, ask
        self._answered, self._is_look = answered, is_look
        self._key = queue_key(ask.job)
        self._stored: Entry = Entry(self._key, 0, b"")

    def join(self, record: Record | None) -> tuple[str, ...]:
        """Return the queue's nodes, head first, including this one; a node that has just joined is at the tail."""
        queue = self._read().following(record)
        joined = queue.joined(self._ask.node)
        if joined != queue and not self._is_look:
            update(self._backend, self._key, decode, encode, lambda old: self._joined(old, record))
            self._answered()
            joined = self._read().following(record).joined(self._ask.node)
        return joined.nodes

    def keep(self, record: Record | None, turn: Turn, owing: str = "") -> None:
        """Write what has changed since the queue was last written, if that is up to this run.

        Before a claim, the claiming run writes. Behind a strict head, any run writes that the node `owing` owes this
        tick. One attempt is enough: if another run is faster, it writes the same.
        """
        known = self._decoded()
        if turn.head_start is None:
            changed = known.following(record).overdue(self._ask.tick, record, owing)
        elif turn.head_start == 0:
            changed = known.following(record)
        else:
            return
        if changed != known and not self._is_look:
            self._backend.swap(self._stored, encode(changed.published(self._ask.run)))
            self._answered()

    def _joined(self, old: Rotation | None, record: Record | None) -> Rotation | None:
        queue = (old or Rotation()).following(record)
        joined = queue.joined(self._ask.node)
        return None if joined == queue else joined.published(self._ask.run)

    def _read(self) -> Rotation:
        """Read the queue, bypassing caches: an old queue would show another node's turn."""
        self._backend.wait(self._stored, 0.0)
        self._stored = self._backend.read(self._key)
        self._answered()
        return self._decoded()

    def _decoded(self) -> Rotation:
        return decode(self._stored.data, self._key) or Rotation()
