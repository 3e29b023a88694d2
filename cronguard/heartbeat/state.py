"""What this node remembers from one heartbeat to the next, on this boot."""

import json
from contextlib import suppress
from typing import Any, NamedTuple

from cronguard.heartbeat.health import Path, Sight, Verdict
from cronguard.system.statedir import StateDir


class Other(NamedTuple):
    """What this node remembers about another."""

    verdict: Verdict = Verdict()
    sight: Sight = Sight()
    paths: dict[str, Path] = {}  # noqa: RUF012 - nobody changes it


class HeartbeatState(NamedTuple):
    """`beats` counts the published heartbeats, and `beaten` is when the last one was published.

    `back` is since when this node has sent heartbeats, and been fit, without a break. `own` are this node's checks,
    `mine` is what was last seen under this node's name, and `troubles` are the problems that were reported. All times
    are boot time.
    """

    beats: int = 0
    beaten: float = 0.0
    back: float | None = None
    mine: Sight = Sight()
    own: dict[str, Path] = {}  # noqa: RUF012 - nobody changes it
    others: dict[str, Other] = {}  # noqa: RUF012 - the same
    details: dict[str, str] = {}  # noqa: RUF012 - the same
    troubles: tuple[str, ...] = ()


def recall(state: StateDir, url: str, boot: str) -> HeartbeatState:
    """Return what was kept on this boot; counts from an earlier boot no longer apply."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        kept = json.loads(state.load("heartbeat", url))
        if kept["boot"] == boot:
            return _memory(kept)
    return HeartbeatState()


def keep(memory: HeartbeatState, state: StateDir, url: str, boot: str) -> None:
    """Keep the memory for the next heartbeat; if that is not possible, each heartbeat starts counting again."""
    state.store("heartbeat", url, json.dumps({**memory._asdict(), "boot": boot}).encode())


def _memory(kept: dict[str, Any]) -> HeartbeatState:
    others = {
        node: Other(Verdict(*verdict), Sight(*sight), _paths(paths))
        for node, (verdict, sight, paths) in kept["others"].items()
    }
    return HeartbeatState(
        int(kept["beats"]),
        float(kept["beaten"]),
        kept["back"],
        Sight(*kept["mine"]),
        _paths(kept["own"]),
        others,
        dict(kept["details"]),
        tuple(kept["troubles"]),
    )


def _paths(kept: dict[str, Any]) -> dict[str, Path]:
    return {name: Path(*path) for name, path in kept.items()}
