"""Cron schedules as Debian's cron follows them: when they fire, and the number of each fire.

The rules are those of cron 3.0pl1, taken from its source (cron.c: `main` and `find_jobs`; entry.c). The tests compare
them with the running daemon. "Wall minutes" are minutes since 1970 on the local clock, ignoring UTC offsets; cron's
source calls this virtual time.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, tzinfo
from functools import lru_cache
from itertools import count
from typing import NamedTuple

from cronguard.model.tick import Tick
from cronguard.schedule.fields import expand
from cronguard.schedule.zone import change_between, find_zone, moments_of, offset_at
from cronguard.system.errors import UsageError

_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ZONE_PREFIX = re.compile(r"(?:CRON_)?TZ=(\S+)[ \t]+")

_DAY = 24 * 60
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_FIRST_MONTH = 1970 * 12
_GREGORIAN_CYCLE = range(_FIRST_MONTH, _FIRST_MONTH + 400 * 12)
# Cron treats a larger change as a clock correction, not as summer time. No zone's clocks go back further.
_LARGEST_CHANGE = 3 * 60


class Fire(NamedTuple):
    """One fire: its time in epoch seconds, and the wall minute it was meant for, which differs after a gap."""

    at: float
    wall: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a crontab line fires. Create it with `parse`.

    `fields` are its five fields as written. A `wildcard` schedule, whose minute or hour starts with `*`, follows the
    clock: it fires in both passes of a repeated hour, and not in a skipped one. Any other schedule fires once in both
    cases: in the first pass, or at the end of the gap. If neither day field starts with `*`, a day matches when either
    field matches; otherwise both fields must match.
    """

    fields: str
    zone: tzinfo
    wildcard: bool
    either_day: bool
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, expression: str, timezone: str | None = None) -> "Schedule":
        """Parse five fields or an @word. A `CRON_TZ=Zone ` or `TZ=Zone ` before them overrides `timezone`.

        Raises UsageError for a schedule that Debian's cron does not accept, or that never fires, such as 31 February.
        """
        text = expression.strip()
        if match := _ZONE_PREFIX.match(text):
            text, timezone = text[match.end() :], match[1]
        fields = _WORDS.get(text, text)
        minutes, hours, days, months, weekdays = expand(fields, expression)
        minute, hour, day, _, weekday = (field.startswith("*") for field in fields.split())
        schedule = cls(
            fields=fields,
            zone=find_zone(timezone),
            wildcard=minute or hour,
            either_day=not (day or weekday),
            minutes=minutes,
            hours=hours,
            days=frozenset(days),
            months=frozenset(months),
            weekdays=frozenset(weekdays),
        )
        if not any(map(schedule._days_of, _GREGORIAN_CYCLE)):
            raise UsageError(f"schedule {expression!r} never fires", "none of its months has such a day")
        return schedule

    def latest(self, now: float) -> float:
        """Return the time of the latest fire at or before `now`; both in epoch seconds."""
        return self.latest_fire(now).at

    def latest_fire(self, now: float) -> Fire:
        """Return the latest fire at or before `now`; if several coincide, the one with the latest wall minute."""
        best: Fire | None = None
        for wall in self._backward(self._wall(now) + _LARGEST_CHANGE):
            if best and wall < best.wall - _LARGEST_CHANGE:
                break
            fires = [Fire(at, wall) for at in self._moments(wall) if at <= now]
            best = max([best, *fires] if best else fires, default=None)
        assert best is not None  # noqa: S101 - `parse` accepts only schedules that fire
        return best

    def next(self, after: float) -> float:
        """Return the time of the first fire after `after`; both in epoch seconds."""
        best: Fire | None = None
        for wall in self._forward(self._wall(after) - _LARGEST_CHANGE):
            if best and wall > best.wall + _LARGEST_CHANGE:
                break
            fires = [Fire(at, wall) for at in self._moments(wall) if at > after]
            best = min([best, *fires] if best else fires, default=None)
        assert best is not None  # noqa: S101 - the same
        return best.at

    def number(self, now: float) -> int:
        """Return the number of the latest fire at `now`: how many fires since 1970 were meant for earlier wall minutes.

        Wall minutes repeat in a repeated hour, so the numbers repeat too.
        """
        return self._count_before(self.latest_fire(now).wall)

    def tick(self, now: float) -> Tick:
        """Return the tick of a run that the latest fire at `now` started. Raises ConfigError as `Tick.of` does."""
        Tick.of(now)  # the calendar of Python ends there too
        return Tick.of(self.latest(now))

    def times(self) -> tuple[int, ...]:
        """Return the times at which it fires on a matching day, in minutes since midnight, in order."""
        return _times(self.hours, self.minutes)

    def _wall(self, at: float) -> int:
        return int((at + offset_at(self.zone, at)) // 60)

    def _moments(self, wall: int) -> tuple[int, ...]:
        first, second = moments_of(self.zone, wall * 60)
        if first <= second:
            return (first, second) if self.wildcard and first < second else (first,)
        skipped_for_good = first - second >= _LARGEST_CHANGE * 60
        if self.wildcard or skipped_for_good:
            return ()
        return (change_between(self.zone, second, first),)

    def _backward(self, wall: int) -> Iterator[int]:
        for month in count(_month_of(wall), -1):
            for day in reversed(self._days_of(month)):
                yield from (at for time in reversed(self.times()) if (at := day * _DAY + time) <= wall)

    def _forward(self, wall: int) -> Iterator[int]:
        for month in count(_month_of(wall)):
            for day in self._days_of(month):
                yield from (at for time in self.times() if (at := day * _DAY + time) >= wall)

    def _count_before(self, wall: int) -> int:
        day, time = divmod(wall, _DAY)
        month = _month_of(wall)
        current = self._days_of(month)
        whole = sum(len(self._days_of(past)) for past in range(_FIRST_MONTH, month)) + bisect_left(
            current, day
        )
        return whole * len(self.times()) + (bisect_left(self.times(), time) if day in current else 0)

    def _days_of(self, month: int) -> list[int]:
        if month % 12 + 1 not in self.months:
            return []
        first = _first_day(month)
        length = _first_day(month + 1) - first
        thursday = 4  # 1 January 1970 was a Thursday
        weekday = (first + thursday) % 7
        return [
            first + day - 1 for day in _matching(length, weekday, self.days, self.weekdays, self.either_day)
        ]


@lru_cache(maxsize=64)
def _times(hours: tuple[int, ...], minutes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(hour * 60 + minute for hour in hours for minute in minutes)


@lru_cache(maxsize=1024)
def _matching(
    length: int, weekday: int, days: frozenset[int], weekdays: frozenset[int], either: bool
) -> tuple[int, ...]:
    rule = any if either else all
    month = range(1, length + 1)
    return tuple(day for day in month if rule((day in days, (weekday + day - 1) % 7 in weekdays)))


def _first_day(month: int) -> int:
    return date(month // 12, month % 12 + 1, 1).toordinal() - _EPOCH_ORDINAL


def _month_of(wall: int) -> int:
    day = date.fromordinal(wall // _DAY + _EPOCH_ORDINAL)
    return day.year * 12 + day.month - 1
