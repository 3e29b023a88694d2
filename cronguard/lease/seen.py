"""What this node has observed: since when, on its own boot clock, a version has been unchanged."""

import json
from contextlib import suppress
from math import isfinite

from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir


class Sightings:
    """First sightings of versions, kept in small files: a job that runs every minute must not start watching again.

    A sighting counts only on the boot clock that it was made on. After a reboot, or in another time namespace,
    watching starts again. Two stores may use the same version number for one key, so the store's URL and the
    record's unique identity are part of a sighting.
    """

    def __init__(self, state: StateDir | None, url: str, boot: str, clock: Clock) -> None:
        self._state = state
        self._url = url
        self._boot = boot
        self._clock = clock
        self._first: dict[str, tuple[str, float]] = {}

    def unchanged(self, key: str, version: int, identity: str, *, is_fresh: bool = True) -> float:
        """Return for how many seconds this node has seen exactly this version as the latest; 0.0 at first sight.

        A read that is not fresh may show an older version than the one already seen. That does not restart watching.
        """
        now = self._clock.boot()
        what = f"{version}:{identity}"
        seen, first = self._first.get(key, ("", 0.0))
        if seen != what:  # another process of this node may have seen it first
            seen, first = self._load(key)
        if not is_fresh and version < _version(seen):
            return 0.0
        if seen != what or first > now:
            first = now
            self._store(key, what, first)
        self._first[key] = (what, first)
        return now - first

    def _about(self, key: str) -> str:
        return f"{self._url} {key}"

    def _load(self, key: str) -> tuple[str, float]:
        if self._state:
            with suppress(ValueError, TypeError, KeyError):
                kept = json.loads(self._state.load("seen", self._about(key)))
                if (kept["boot"], kept["about"]) == (self._boot, self._about(key)):
                    return str(kept["what"]), _moment(kept["first"])
        return "", 0.0

    def _store(self, key: str, what: str, first: float) -> None:
        if self._state:
            kept = {"boot": self._boot, "about": self._about(key), "what": what, "first": first}
            self._state.store("seen", self._about(key), json.dumps(kept).encode())


def _version(what: str) -> int:
    number = what.partition(":")[0]
    return int(number) if number.isdecimal() else 0


def _moment(value: object) -> float:
    """Return a boot time. Python's JSON accepts infinities, and minus infinity would mean an immediate takeover."""
    if not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise ValueError(f"{value!r} is not a boot time")
    return float(value)
