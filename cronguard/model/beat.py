"""A node's heartbeat entry: its own health, its opinions of the other nodes, and whether it is paused."""

from typing import Any, NamedTuple

from cronguard.model.envelope import Unknown, as_moment, open_envelope, seal, unknown_fields
from cronguard.model.pause import Pause, as_pause

_STALE_BEATS, _STALE_MORE = 3, 10.0  # the extra seconds allow for the time that probes and the backend take
UP, DOWN, UNKNOWN = "up", "down", "unknown"


class Opinion(NamedTuple):
    """What a node thinks of another node and of each path to it: up, down or unknown.

    `since` is on the wall clock of the node that has the opinion. `back` is when the other node came back after an
    absence, on the boot clock of the node that has the opinion.
    """

    state: str
    since: float
    paths: dict[str, str]
    back: float | None = None


class Beat(NamedTuple):
    """A node's heartbeat entry. `beat` counts the heartbeats; it is 0 for a node that has only been paused.

    `at` (boot time) and `wall` (wall time) are when the node sent its last heartbeat. The next one is due `every`
    seconds later. `back` is the boot time since which the node has been up and fit without a break. `checks` holds the
    states of its own checks, `details` explains checks and paths to people. `by` and `sequence` together identify a
    published entry forever.
    """

    node: str
    beat: int = 0
    machine: str = ""
    boot: str = ""
    at: float = 0.0
    wall: float = 0.0
    every: float = 60.0
    back: float = 0.0
    is_fit: bool = True
    checks: dict[str, str] = {}  # noqa: RUF012 - never changed
    details: dict[str, str] = {}  # noqa: RUF012 - the same
    opinions: dict[str, Opinion] = {}  # noqa: RUF012 - the same
    pause: Pause | None = None
    by: str = ""
    sequence: int = 0
    unknown: Unknown = ()

    def is_fresh(self, boot: str, now: float) -> bool:
        """Return whether the entry was written recently, on this boot clock, so that its opinions still count."""
        return self.boot == boot and 0 <= now - self.at <= _STALE_BEATS * self.every + _STALE_MORE

    def is_from_elsewhere(self, boot: str, machine: str) -> bool:
        """Return whether another machine sent the heartbeat than the one with this boot clock and machine ID.

        Containers of one machine may have machine IDs of their own, and a machine has a new boot ID after each boot. So
        both must differ.
        """
        is_other_boot = self.boot.partition("/")[0] != boot.partition("/")[0]
        return is_other_boot and bool(machine and self.machine) and self.machine != machine

    def is_recent(self, wall: float) -> bool:
        """Return whether the last heartbeat is recent by wall clocks, for people who look at other nodes' heartbeats."""
        return abs(wall - self.wall) <= _STALE_BEATS * self.every + _STALE_MORE

    def paused(self, wall: float) -> Pause | None:
        """Return the pause that is in force now, if any."""
        return self.pause if self.pause and self.pause.holds(wall) else None

    def published(self, by: str) -> "Beat":
        """Return the next version of the entry, written by `by`."""
        return self._replace(by=by, sequence=self.sequence + 1)


PREFIX = "node/cluster/"


def beat_key(node: str) -> str:
    """Return the key of a node's entry in the store."""
    return f"{PREFIX}{node}"


_KNOWN = frozenset(Beat._fields) - {"unknown"}


def encode(beat: Beat) -> bytes:
    """Return the entry as JSON."""
    fields = {name: getattr(beat, name) for name in _KNOWN}
    fields["opinions"] = {node: opinion._asdict() for node, opinion in beat.opinions.items()}
    fields["pause"] = beat.pause._asdict() if beat.pause else None
    return seal(fields, beat.unknown)


def decode(data: bytes, where: str) -> Beat | None:
    """Decode an entry; None for no data. Raises StoreRefusedError, naming `where`, for anything else."""
    return open_envelope(data, where, _checked)


def _checked(parsed: dict[str, Any]) -> Beat:
    known = {name: value for name, value in parsed.items() if name in _KNOWN}
    known["opinions"] = {str(node): _opinion(one) for node, one in parsed.get("opinions", {}).items()}
    known["pause"] = as_pause(parsed.get("pause") or None)
    for name in ("at", "wall", "back"):
        known[name] = as_moment(parsed.get(name, 0.0))
    known["every"] = max(1.0, as_moment(parsed.get("every", 60.0)))
    known["is_fit"] = parsed.get("is_fit", True) is not False
    for name in ("checks", "details"):
        known[name] = {str(key): str(value) for key, value in parsed.get(name, {}).items()}
    for name in ("node", "by", "machine", "boot"):
        known[name] = str(parsed.get(name, ""))
    known["beat"], known["sequence"] = int(parsed.get("beat", 0)), int(parsed["sequence"])
    return Beat(**known, unknown=unknown_fields(parsed, _KNOWN))


def _opinion(one: dict[str, Any]) -> Opinion:
    paths = {str(path): str(state) for path, state in one["paths"].items()}
    back = one.get("back")
    return Opinion(
        str(one["state"]), as_moment(one["since"]), paths, None if back is None else as_moment(back)
    )
