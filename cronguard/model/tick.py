"""Ticks: the scheduled moments that runs belong to, with the same label on every node."""

import time
from datetime import datetime
from typing import NamedTuple

from cronguard.system.errors import ConfigError, UsageError

LAST = 253402300740  # 9999-12-31T23:59Z: later years have five digits, and such a label cannot be read back


class Tick(NamedTuple):
    """A whole minute, in seconds since 1970. An earlier tick compares as less than a later one."""

    epoch: int

    @property
    def label(self) -> str:
        """The written form, `2026-11-22T05:30Z`."""
        return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(self.epoch))

    @classmethod
    def of(cls, wall: float) -> "Tick":
        """Return the tick of the minute that contains this wall-clock time, in seconds.

        Raises ConfigError for a time before 1970 or after 9999: such a tick has no label that could be read back.
        """
        if not 0 <= wall < LAST + 60:
            raise ConfigError(
                f"the time {wall:.0f} (seconds since 1970) is not between the years 1970 and 9999",
                "set this node's clock (chronyc tracking, timedatectl)",
            )
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
