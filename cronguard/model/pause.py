"""A pause: something that must not start for a while, and why."""

from typing import Any, NamedTuple

from cronguard.model.envelope import as_moment


class Pause(NamedTuple):
    """What is left out: from when until when (None: until resumed), by wall clocks; why, and who said so."""

    since: float
    until: float | None
    reason: str
    by: str

    def holds(self, wall: float) -> bool:
        """Return whether it still holds."""
        return self.until is None or wall < self.until


def as_pause(one: dict[str, Any] | None) -> Pause | None:
    """Return a pause as it was written, with nothing in it that a terminal would obey; None for none."""
    if one is None:
        return None
    until = one["until"]
    ending = None if until is None else as_moment(until)
    return Pause(as_moment(one["since"]), ending, printable(str(one["reason"])), printable(str(one["by"])))


def printable(text: str) -> str:
    """Return the text on one line, of at most 200 signs that can be shown."""
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))[:200]
