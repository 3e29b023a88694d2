"""Time zones by name, the one that this machine's cron goes by, and what happens when the clocks change."""

import os
from bisect import bisect_left
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronguard.system.errors import UsageError

MACHINE = "localtime"
_LOCALTIME = "/etc/localtime"
_HINT = "give a name such as Europe/Berlin or UTC with --timezone (the names come with the package tzdata)"
_DAY = 86400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the clock on the wall has no zone
# Where changes are looked for: the tables list them up to 2037, and go by the last rule after it.
_FIRST, _END = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2024, 2038))


def find_zone(name: str | None) -> ZoneInfo:
    """Return the zone of that name; without one, `$TZ`; without that, or for `localtime`, the machine's.

    Raises UsageError for a name that is not known here.
    """
    wanted = name or os.environ.get("TZ", MACHINE).removeprefix(":")
    if wanted in {MACHINE, _LOCALTIME}:
        return _machine_zone()
    try:
        return ZoneInfo(wanted or "UTC")  # an empty TZ is UTC to the C library
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(f"{wanted!r} is not a time zone known here", _HINT) from error


@lru_cache(maxsize=1)
def _machine_zone() -> ZoneInfo:
    try:
        with open(_LOCALTIME, "rb") as file:
            return ZoneInfo.from_file(file, key=MACHINE)
    except FileNotFoundError:  # the C library's default too
        return ZoneInfo("UTC")


def offset_at(zone: tzinfo, at: float) -> int:
    """Return how many seconds the zone's clocks are ahead of UTC at that moment, in epoch seconds."""
    return _seconds(datetime.fromtimestamp(at, zone))


def moments_of(zone: tzinfo, wall: int) -> tuple[int, int]:
    """Return the two moments, in epoch seconds, at which clocks may show `wall`, seconds since 1970 by them.

    The same moment twice, except around a change: the first before the second for a time shown twice; the second
    before the first for one that is skipped, and the change lies between.
    """
    local = (_EPOCH + timedelta(seconds=wall)).replace(tzinfo=zone)
    return wall - _seconds(local), wall - _seconds(local.replace(fold=1))


def _seconds(local: datetime) -> int:
    return int((local.utcoffset() or timedelta()).total_seconds())


def change_between(zone: tzinfo, low: int, high: int) -> int:
    """Return the first second after `low` with the offset of `high`, if there is one change between them."""
    after = offset_at(zone, high)
    span = range(low + 1, high + 1)
    return span[bisect_left(span, True, key=lambda at: offset_at(zone, at) == after)]


@lru_cache(maxsize=64)
def changing_hours(zone: tzinfo) -> frozenset[int]:
    """Return the hours of the day that a change of the zone's clocks skips or repeats, in whole or in part."""
    hours: set[int] = set()
    for day, next_day in pairwise(range(_FIRST, _END, _DAY)):
        before, after = offset_at(zone, day), offset_at(zone, next_day)
        if before != after:
            change = change_between(zone, day, next_day)
            low, high = sorted((change + before, change + after))
            hours.update(hour % 24 for hour in range(low // 3600, (high - 1) // 3600 + 1))
    return frozenset(hours)
