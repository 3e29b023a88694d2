"""The times of a lease. All follow from its ttl and from how long the command has to stop."""

from typing import NamedTuple

from cronguard.model.duration import format_duration
from cronguard.system.errors import UsageError

MIN_TTL = 5.0  # a shorter ttl has no room for two heartbeats, a fork and a kill
MAX_TTL = 7 * 86400.0  # a week: after a crash, no node runs the job for that long
_MOST_HEARTBEAT = 10.0  # a run notices within this time that it was revoked, whatever its ttl


class Timing(NamedTuple):
    """The times of a lease in seconds. Create it with `Timing.of`, which checks that they fit into the ttl."""

    ttl: float
    kill_after: float

    @classmethod
    def of(cls, ttl: float, kill_after: float | None) -> "Timing":
        """Return the timing; a `kill_after` of None means min(10 s, ttl/6).

        Raises UsageError unless two heartbeats fit before the deadline.
        """
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
        """The time between two renewals of the lease."""
        return min(self.ttl / 4, _MOST_HEARTBEAT)

    @property
    def kill(self) -> float:
        """How long before the end of the ttl the command is sent SIGTERM, so that it has stopped when the ttl ends."""
        return self.kill_after + 1.0

    @property
    def run_for(self) -> float:
        """How long the command may run after the last successful renewal was sent."""
        return self.ttl - self.kill


def takeover_after(ttl: float) -> float:
    """Return how long another node must see a version unchanged before it may take over: the ttl and a margin.

    The margin is one hundredth of the ttl, but at least a second. It allows for clocks that run at different rates.
    """
    return ttl + max(1.0, ttl / 100)
