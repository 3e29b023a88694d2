"""The times of a lease: all of them follow from its ttl and from how long the command has to stop."""

from typing import NamedTuple

from cronguard.model.duration import format_duration
from cronguard.system.errors import UsageError

MIN_TTL = 5.0  # below it, two heartbeats, a fork and a kill no longer fit in
MAX_TTL = 7 * 86400.0  # a week: after a crash, nobody runs the job for that long
_MOST_HEARTBEAT = 10.0  # a revoked run learns of it within this time, whatever its ttl


class Timing(NamedTuple):
    """Seconds. Make it with `Timing.of`, which checks that the parts fit into the whole."""

    ttl: float
    kill_after: float

    @classmethod
    def of(cls, ttl: float, kill_after: float | None) -> "Timing":
        """Raise UsageError unless two heartbeats fit before the deadline; kill_after None: min(10 s, ttl/6)."""
        if not MIN_TTL <= ttl <= MAX_TTL:
            raise UsageError(f"--ttl: {format_duration(ttl)} is not between 5s and 7d", "the default is 180")
        timing = cls(ttl, min(10.0, ttl / 6) if kill_after is None else kill_after)
        if ttl - timing.kill < 2 * timing.heartbeat:
            least_ttl = (
                max(2 * timing.kill, MIN_TTL)
                if timing.kill <= 2 * _MOST_HEARTBEAT
                else timing.kill + 2 * _MOST_HEARTBEAT
            )
            most = ttl - 2 * timing.heartbeat - (timing.kill - timing.kill_after)
            raise UsageError(
                f"--kill-after: {timing.kill_after:g}s is too long for a ttl of {ttl:g}s",
                f"use a ttl of {least_ttl:g}s or more, or a kill-after of {most:g}s or less",
            )
        return timing

    @property
    def heartbeat(self) -> float:
        """How often the lease is renewed."""
        return min(self.ttl / 4, _MOST_HEARTBEAT)

    @property
    def kill(self) -> float:
        """How long before the end of the ttl the command is told to stop, so that it is gone when the ttl ends."""
        return self.kill_after + 1.0

    @property
    def run_for(self) -> float:
        """How long the command may run after the last renewal that counted was sent."""
        return self.ttl - self.kill


def takeover_after(ttl: float) -> float:
    """How long another node must have seen a version unchanged before it may take over: ttl and a margin.

    The margin, one hundredth but at least a second, is for clocks that run at different rates.
    """
    return ttl + max(1.0, ttl / 100)
