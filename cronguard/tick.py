"""Ticks: the scheduled moment that a run belongs to, the same label on every node."""

import re
import time
from typing import NamedTuple

from cronguard.errors import UsageError

_LABEL = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})Z", re.ASCII)


class Tick(NamedTuple):
    """A whole minute, as seconds since 1970; ticks compare as moments do."""

    epoch: int

    @property
    def label(self) -> str:
        """The written form, `2026-11-22T05:30Z`."""
        return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(self.epoch))

    @classmethod
    def of(cls, wall: float) -> "Tick":
        """Return the minute that the wall-clock moment lies in."""
        return cls(int(wall // 60) * 60)

    @classmethod
    def parse(cls, label: str) -> "Tick":
        """Read a label; raises UsageError unless it is a real minute in exactly the written form."""
        import calendar

        if match := _LABEL.fullmatch(label):
            year, month, day, hour, minute = map(int, match.groups())
            if year >= 1970 and 1 <= month <= 12 and hour < 24 and minute < 60:
                tick = cls(calendar.timegm((year, month, day, hour, minute, 0)))
                if tick.label == label:
                    return tick
        raise UsageError(f"--tick: {label!r} is not a tick", "write it in UTC, like 2026-11-22T05:30Z")
