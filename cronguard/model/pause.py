"""A pause: a time during which something must not start, and the reason."""

from typing import Any, NamedTuple

from cronguard.model.envelope import as_moment


class Pause(NamedTuple):
    """A pause from `since` until `until` (None: until resumed), by wall clocks; the reason, and who paused it."""

    since: float
    until: float | None
    reason: str
    by: str

    def holds(self, wall: float) -> bool:
        """Return whether the pause is still in force."""
        return self.until is None or wall < self.until


def as_pause(one: dict[str, Any] | None) -> Pause | None:
    """Return the pause in an entry, without characters that could control a terminal; None if there is none."""
    if one is None:
        return None
    until = one["until"]
    ending = None if until is None else as_moment(until)
    return Pause(as_moment(one["since"]), ending, printable(str(one["reason"])), printable(str(one["by"])))


def printable(text: str) -> str:
    """Return the text as one line of at most 200 printable characters."""
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))[:200]
