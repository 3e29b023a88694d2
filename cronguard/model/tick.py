"""Ticks: the scheduled moment that a run belongs to, the same label on every node."""

import time
from datetime import datetime
from typing import NamedTuple

from cronguard.system.errors import UsageError


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
    def parse(cls, label: str, what: str = "--tick") -> "Tick":
        """Read a label, which `what` names in the error; raises UsageError unless it is a real minute in exactly the written form."""
        try:
            tick = cls(int(datetime.fromisoformat(label).timestamp()))
            if tick.epoch >= 0 and tick.label == label:
                return tick
        except (ValueError, OverflowError):
            pass
        raise UsageError(f"{what}: {label!r} is not a tick", "write it in UTC, like 2026-11-22T05:30Z")
