"""The queue of a job's round robin: who is next, and who has let its turn pass."""

from contextlib import suppress
from typing import Any, NamedTuple

from cronguard.model.envelope import Unknown, open_envelope, seal, unknown_fields
from cronguard.model.job import Job, check_name, is_name
from cronguard.model.record import Record
from cronguard.model.tick import Tick
from cronguard.system.errors import UsageError

MOST = 200  # nodes in a queue: it must fit into an entry
MISSES = 3  # turns in a row that a node may let pass: a reboot costs a job of every minute two


class Place(NamedTuple):
    """A node in the queue, and how many turns in a row it has let pass."""

    node: str
    missed: int = 0


class Rotation(NamedTuple):
    """The queue, head first, as of the claim with `token`, for `tick` (seconds since 1970).

    It follows the lease: whoever reads it applies the claims that came since, which the lease's history tells. So
    nothing is written between a claim and its command, and nothing is lost by a crash there. `due` is the tick
    that a strict head was last seen to owe. `by` and `sequence` together name a published queue for ever.
    """

    places: tuple[Place, ...] = ()
    token: int = 0
    tick: int = -1
    due: int = -1
    by: str = ""
    sequence: int = 0
    unknown: Unknown = ()

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes, head first."""
        return tuple(place.node for place in self.places)

    def following(self, record: Record | None) -> "Rotation":
        """Return the queue after all claims of the lease that it does not know yet.

        A queue that has just begun does not follow what was before it.
        """
        claims = sorted(_claims(record))
        if not self.sequence:
            return self._replace(token=max((claim.token for claim in claims), default=0))
        queue = self
        for claim in claims:
            if claim.token > queue.token:
                queue = queue._after(claim)
        return queue

    def joined(self, node: str) -> "Rotation":
        """Return the queue with the node in it, at its tail if it was not."""
        if node in self.nodes or len(self.places) >= MOST:
            return self
        return self._replace(places=(*self.places, Place(node)))

    def without(self, node: str) -> "Rotation":
        """Return the queue without the node."""
        return self._replace(places=tuple(place for place in self.places if place.node != node))

    def overdue(self, tick: Tick, record: Record | None, owing: str) -> "Rotation":
        """Return the queue when somebody comes for `tick` and must leave it to `owing`, the first who could run.

        That is the head, but for those that are known to be down or paused. If the tick before that nobody
        claimed, it let that pass: otherwise a strict queue would wait for a dead head for ever.
        """
        if tick.epoch <= self.due:
            return self
        is_missed = self.due >= 0 and (record is None or record.latest.epoch < self.due)
        counted = [_missed(place) if place.node == owing else place for place in self.places]
        return self._replace(places=_kept(counted) if is_missed else self.places, due=tick.epoch)

    def published(self, by: str) -> "Rotation":
        """Return it as `by`'s next version of it."""
        return self._replace(by=by, sequence=self.sequence + 1)

    def _after(self, claim: "_Claim") -> "Rotation":
        """Move who claimed to the tail; at the first claim for a new tick, those before it let their turn pass."""
        at = self.nodes.index(claim.node) if claim.node in self.nodes else len(self.places)
        before, behind = list(self.places[:at]), self.places[at + 1 :]
        if claim.attempt == 1 and claim.tick > self.tick:
            before = [_missed(place) for place in before]
        places = (*_kept(before), *behind, Place(claim.node))
        return self._replace(places=places, token=claim.token, tick=max(self.tick, claim.tick))


def queue_key(job: Job) -> str:
    """Where the queue of a job is kept in a backend."""
    return f"queue/{job.ns}/{job.name}"


class _Claim(NamedTuple):
    token: int
    tick: int
    attempt: int
    node: str


# What a line of history that some other program wrote can lead to; it is no claim.
_FOREIGN = (LookupError, TypeError, ValueError, AttributeError, OverflowError, UsageError)


def _claims(record: Record | None) -> list[_Claim]:
    if record is None:
        return []
    told = [*record.history, *([record.outcome()] if record.is_running else [])]
    claims = []
    for one in told:
        with suppress(*_FOREIGN):
            tick = Tick.parse(one["tick"]).epoch
            claims.append(
                _Claim(int(one["token"]), tick, int(one["attempt"]), check_name(one["node"], "node"))
            )
    return claims


def _missed(place: Place) -> Place:
    return place._replace(missed=place.missed + 1)


def _kept(places: list[Place]) -> tuple[Place, ...]:
    return tuple(place for place in places if place.missed < MISSES)


_KNOWN = frozenset(Rotation._fields) - {"unknown"}


def encode(queue: Rotation) -> bytes:
    """Return the queue as JSON."""
    fields = {name: getattr(queue, name) for name in _KNOWN}
    fields["places"] = [place._asdict() for place in queue.places]
    return seal(fields, queue.unknown)


def decode(data: bytes, where: str) -> Rotation | None:
    """Read a queue; None for no data. Raises StoreRefusedError, naming `where`, for what is none."""
    return open_envelope(data, where, _checked)


def _checked(parsed: dict[str, Any]) -> Rotation:
    places = tuple(Place(str(one["node"]), int(one["missed"])) for one in parsed["places"])
    names = [place.node for place in places]
    if len(set(names)) < len(names) or not all(map(is_name, names)):
        raise ValueError("its nodes are not different names")
    numbers = {name: int(parsed[name]) for name in ("token", "tick", "due", "sequence")}
    return Rotation(places=places, by=str(parsed["by"]), unknown=unknown_fields(parsed, _KNOWN), **numbers)
