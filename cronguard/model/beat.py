"""What a node says of itself and of the others, with each heartbeat; and whether it is paused."""

from typing import Any, NamedTuple

from cronguard.model.envelope import Unknown, as_moment, open_envelope, seal, unknown_fields
from cronguard.model.pause import Pause, as_pause

_STALE_BEATS, _STALE_MORE = 3, 10.0  # seconds more: probes and the backend take some of them
UP, DOWN, UNKNOWN = "up", "down", "unknown"


class Opinion(NamedTuple):
    """What a node thinks of another: up, down or unknown, and of each path to it; `since` by its wall clock.

    `back` is when the other came back from being away, on the boot clock of the node that says so.
    """

    state: str
    since: float
    paths: dict[str, str]
    back: float | None = None


class Beat(NamedTuple):
    """A node's entry. `beat` counts its heartbeats, 0 for a node that has only been paused.

    `at` (boot time) and `wall` are when it beat, `every` when the next is due, in seconds. `back` is the boot time
    since which it has been beating, and fit, without a break. `checks` are the states of its own checks, `details`
    what a person should know of checks and paths. `by` and `sequence` together name a published entry for ever.
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
    checks: dict[str, str] = {}  # noqa: RUF012 - nobody changes it
    details: dict[str, str] = {}  # noqa: RUF012 - the same
    opinions: dict[str, Opinion] = {}  # noqa: RUF012 - the same
    pause: Pause | None = None
    by: str = ""
    sequence: int = 0
    unknown: Unknown = ()

    def is_fresh(self, boot: str, now: float) -> bool:
        """Return whether it was written on this very boot clock, and recently: then what it says still counts."""
        return self.boot == boot and 0 <= now - self.at <= _STALE_BEATS * self.every + _STALE_MORE

    def is_recent(self, wall: float) -> bool:
        """Return whether it beat lately, by wall clocks: for people, who look at other nodes' beats."""
        return abs(wall - self.wall) <= _STALE_BEATS * self.every + _STALE_MORE

    def paused(self, wall: float) -> Pause | None:
        """Return the pause that holds now, if any."""
        return self.pause if self.pause and self.pause.holds(wall) else None

    def published(self, by: str) -> "Beat":
        """Return it as `by`'s next version of it."""
        return self._replace(by=by, sequence=self.sequence + 1)


PREFIX = "node/cluster/"


def beat_key(node: str) -> str:
    """Where a node's entry is kept in a backend."""
    return f"{PREFIX}{node}"


_KNOWN = frozenset(Beat._fields) - {"unknown"}


def encode(beat: Beat) -> bytes:
    """Return the entry as JSON."""
    fields = {name: getattr(beat, name) for name in _KNOWN}
    fields["opinions"] = {node: opinion._asdict() for node, opinion in beat.opinions.items()}
    fields["pause"] = beat.pause._asdict() if beat.pause else None
    return seal(fields, beat.unknown)


def decode(data: bytes, where: str) -> Beat | None:
    """Read an entry; None for no data. Raises StoreRefusedError, naming `where`, for what is none."""
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
