"""Time zones: by name, the one that this machine's cron uses, and what happens when the clocks change."""

import os
from bisect import bisect_left
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronguard.system.errors import UsageError

MACHINE = "localtime"
_LOCALTIME = "/etc/localtime"
_HINT = "use a name such as Europe/Berlin or UTC with --timezone (the package tzdata provides the names)"
_DAY = 86400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall time has no zone
# The years to search for clock changes: the tables list changes up to 2037, and continue by their last rule.
_FIRST, _END = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2024, 2038))


def find_zone(name: str | None) -> ZoneInfo:
    """Return the zone with this name, or the zone in `$TZ` if there is no name.

    Without both, or for `localtime`, it is the machine's zone. Raises UsageError for an unknown name.
    """
    wanted = name or os.environ.get("TZ", MACHINE).removeprefix(":")
    if wanted in {MACHINE, _LOCALTIME}:
        return _machine_zone()
    try:
        return ZoneInfo(wanted or "UTC")  # an empty TZ is UTC to the C library
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{wanted!r} is not a known time zone", _HINT) from error


@lru_cache(maxsize=1)
def _machine_zone() -> ZoneInfo:
    try:
        with open(_LOCALTIME, "rb") as file:
            return ZoneInfo.from_file(file, key=MACHINE)
    except FileNotFoundError:  # this is also the C library's default
        return ZoneInfo("UTC")


def offset_at(zone: tzinfo, at: float) -> int:
    """Return how many seconds the zone's clocks are ahead of UTC at `at`, which is in epoch seconds."""
    return _seconds(datetime.fromtimestamp(at, zone))


def moments_of(zone: tzinfo, wall: int) -> tuple[int, int]:
    """Return the two times, in epoch seconds, at which the zone's clocks may show `wall`.

    `wall` is in seconds since 1970 on those clocks. The two times are the same, except around a clock change. For a
    wall time that is shown twice, the first is before the second. For one that is skipped, the second is before the
    first, and the change lies between them.
    """
    local = (_EPOCH + timedelta(seconds=wall)).replace(tzinfo=zone)
    return wall - _seconds(local), wall - _seconds(local.replace(fold=1))


def _seconds(local: datetime) -> int:
    return int((local.utcoffset() or timedelta()).total_seconds())


def change_between(zone: tzinfo, low: int, high: int) -> int:
    """Return the first second after `low` that has the offset of `high`, if one change lies between them."""
    after = offset_at(zone, high)
    span = range(low + 1, high + 1)
    return span[bisect_left(span, True, key=lambda at: offset_at(zone, at) == after)]


@lru_cache(maxsize=64)
def changing_hours(zone: tzinfo) -> frozenset[int]:
    """Return the hours of the day that a clock change in the zone skips or repeats, wholly or partly."""
    hours: set[int] = set()
    for day, next_day in pairwise(range(_FIRST, _END, _DAY)):
        before, after = offset_at(zone, day), offset_at(zone, next_day)
        if before != after:
            change = change_between(zone, day, next_day)
            low, high = sorted((change + before, change + after))
            hours.update(hour % 24 for hour in range(low // 3600, (high - 1) // 3600 + 1))
    return frozenset(hours)
