"""Ticks: the scheduled moments that runs belong to, with the same label on every node."""

import time
from datetime import datetime
from typing import NamedTuple

from cronguard.system.errors import UsageError


class Tick(NamedTuple):
    """A whole minute, in seconds since 1970. An earlier tick compares as less than a later one."""

    epoch: int

    @property
    def label(self) -> str:
        """The written form, `2026-11-22T05:30Z`."""
        return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(self.epoch))

    @classmethod
    def of(cls, wall: float) -> "Tick":
        """Return the tick of the minute that contains this wall-clock time."""
        return cls(int(wall // 60) * 60)

    @classmethod
    def parse(cls, label: str, what: str = "--tick") -> "Tick":
        """Parse a label; `what` names it in the error.

        Raises UsageError unless the label is an existing minute in exactly the form of `label`.
        """
        try:
            tick = cls(int(datetime.fromisoformat(label).timestamp()))
            if tick.epoch >= 0 and tick.label == label:
                return tick
        except (ValueError, OverflowError):
            pass
        raise UsageError(f"{what}: {label!r} is not a tick", "write it in UTC, like 2026-11-22T05:30Z")
