"""The queue of a job's round robin: which node is next, and which nodes have missed their turns."""

from contextlib import suppress
from typing import Any, NamedTuple

from cronguard.model.envelope import Unknown, open_envelope, seal, unknown_fields
from cronguard.model.job import Job, check_name, is_name
from cronguard.model.record import Record
from cronguard.model.tick import LAST, Tick
from cronguard.system.errors import UsageError

MOST = 200  # nodes in a queue, which must fit into an entry
MISSES = 3  # turns in a row after which a node is dropped: a reboot costs two turns of a job that runs every minute


class Place(NamedTuple):
    """A node in the queue, and how many turns in a row it has missed."""

    node: str
    missed: int = 0


class Rotation(NamedTuple):
    """The queue, head first, as of the claim with `token` for `tick` (seconds since 1970).

    The queue follows the lease: each reader applies the newer claims from the lease's history. So nothing is written
    between a claim and its command, and a crash there loses nothing. `due` is the tick that the head of a strict queue
    was last seen to owe. `by` and `sequence` together identify a published queue forever.
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
        """Return the queue with all claims in the lease's history applied that it does not contain yet.

        A new queue ignores the claims before it was created.
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
        """Return the queue with the node added at the tail, unless it is in the queue already."""
        if node in self.nodes or len(self.places) >= MOST:
            return self
        return self._replace(places=(*self.places, Place(node)))

    def without(self, node: str) -> "Rotation":
        """Return the queue without the node."""
        return self._replace(places=tuple(place for place in self.places if place.node != node))

    def overdue(self, tick: Tick, record: Record | None, owing: str) -> "Rotation":
        """Return the queue after a run for `tick` has had to leave it to `owing`, the first node that could run it.

        `owing` is the head, not counting nodes that are known to be down or paused. If nobody claimed the tick before
        this one, that counts as a turn that `owing` missed. Otherwise a strict queue would wait forever for a dead
        head.
        """
        if tick.epoch <= self.due:
            return self
        is_missed = self.due >= 0 and (record is None or record.latest.epoch < self.due)
        counted = [_missed(place) if place.node == owing else place for place in self.places]
        return self._replace(places=_kept(counted) if is_missed else self.places, due=tick.epoch)

    def published(self, by: str) -> "Rotation":
        """Return the next version of the queue, written by `by`."""
        return self._replace(by=by, sequence=self.sequence + 1)

    def _after(self, claim: "_Claim") -> "Rotation":
        """Move the claiming node to the tail. In the first claim for a new tick, the nodes before it missed a turn."""
        at = self.nodes.index(claim.node) if claim.node in self.nodes else len(self.places)
        before, behind = list(self.places[:at]), self.places[at + 1 :]
        if claim.attempt == 1 and claim.tick > self.tick:
            before = [_missed(place) for place in before]
        places = (*_kept(before), *behind, Place(claim.node))
        return self._replace(places=places, token=claim.token, tick=max(self.tick, claim.tick))


def queue_key(job: Job) -> str:
    """Return the key of a job's queue in the store."""
    return f"queue/{job.ns}/{job.name}"


class _Claim(NamedTuple):
    token: int
    tick: int
    attempt: int
    node: str


# Errors that a history row written by another program can cause; such a row is not a claim.
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
    """Decode a queue; None for no data. Raises StoreRefusedError, naming `where`, for anything else."""
    return open_envelope(data, where, _checked)


def _checked(parsed: dict[str, Any]) -> Rotation:
    places = tuple(Place(str(one["node"]), int(one["missed"])) for one in parsed["places"])
    names = [place.node for place in places]
    if len(set(names)) < len(names) or not all(map(is_name, names)):
        raise ValueError("it has invalid or repeated node names")
    numbers = {name: int(parsed[name]) for name in ("token", "tick", "due", "sequence")}
    if not all(-1 <= numbers[name] <= LAST for name in ("tick", "due")):
        raise ValueError("its tick is not a time")
    return Rotation(places=places, by=str(parsed["by"]), unknown=unknown_fields(parsed, _KNOWN), **numbers)
