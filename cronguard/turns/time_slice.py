"""Time slices: the nodes take turns by the clock, and share nothing else.

A slice lasts from one fire of a schedule to the next, or for a fixed period; node `index` of `nodes` has those whose
number leaves that remainder. Over any time the nodes' slices are disjoint and together are the whole.
"""

from itertools import pairwise
from typing import NamedTuple

from cronguard.model.tick import Tick
from cronguard.schedule.schedule import Schedule
from cronguard.schedule.zone import changing_hours
from cronguard.turns.known import Known
from cronguard.turns.turn import Turn

_LONG_LIST = 6  # values; a longer list is written as a range if it is one


class Slice(NamedTuple):
    """One slice of time: its number, and when it ends, in epoch seconds."""

    number: int
    end: float

    def belongs_to(self, nodes: int, index: int) -> bool:
        """Tell whether it is this node's."""
        return self.number % nodes == index


def turn(me: str, tick: Tick, known: Known) -> Turn:
    """It is the turn of the node whose place is the tick's number modulo nodes, and of nobody else.

    When covered, the others follow in the order of their slices, each after a head start for those before it.
    """
    first = known.number % len(known.nodes)
    order = [*known.nodes[first:], *known.nodes[:first]]
    if order[0] != me and not known.is_covered:
        return Turn(None, f"fire {known.number} is {order[0]}'s")
    before = order[: order.index(me)] if known.peer(me).is_up or not known.is_covered else order
    return known.turn_after(node for node in before if node != me)


def slice_of_schedule(schedule: Schedule, now: float) -> Slice:
    """Return the slice from the schedule's latest fire to its next."""
    return Slice(schedule.number(now), schedule.next(now))


def slice_of_period(period: float, now: float) -> Slice:
    """Return the slice of `period` seconds that `now` lies in, counted from 1970."""
    number = int(now // period)
    return Slice(number, (number + 1) * period)


def share(schedule: Schedule, nodes: int, index: int) -> list[str] | None:
    """Return the crontab schedules which together fire when `schedule.number` is this node's, and only then.

    Cron knows no counting over days, so that None, it cannot be said, is the answer unless the fires of one day can
    be dealt out evenly. None as well where a share could not keep the schedule's own way through a change of the
    clocks (see `Schedule`), and its zone has one in that hour.
    """
    times = schedule.times()
    if nodes == 1:
        return [schedule.fields]
    if len(times) % nodes:
        return None
    hours_of: dict[tuple[int, ...], list[int]] = {}
    for hour, minutes in _by_hour(times[index::nodes]).items():
        hours_of.setdefault(tuple(minutes), []).append(hour)
    lines = [_line(schedule, minutes, tuple(hours)) for minutes, hours in hours_of.items()]
    return None if None in lines else [line for line in lines if line]


def _by_hour(times: tuple[int, ...]) -> dict[int, list[int]]:
    minutes: dict[int, list[int]] = {}
    for time in times:
        minutes.setdefault(time // 60, []).append(time % 60)
    return minutes


def _line(schedule: Schedule, minutes: tuple[int, ...], hours: tuple[int, ...]) -> str | None:
    minute_as_written, hour_as_written, *_ = schedule.fields.split()
    minute = minute_as_written if minutes == schedule.minutes else _list(minutes)
    hour = hour_as_written if hours == schedule.hours else _list(hours)
    is_wildcard = minute.startswith("*") or hour.startswith("*")
    if schedule.wildcard and not is_wildcard and not changing_hours(schedule.zone).isdisjoint(hours):
        starred = _starred(minute, minutes, hour, hours)
        if starred is None:
            return None
        minute, hour = starred
    rest = schedule.fields.lstrip()[len(minute_as_written) :]
    gap = rest[: len(rest) - len(rest.lstrip())]
    return f"{minute}{gap}{hour}{rest.lstrip()[len(hour_as_written) :]}"


def _starred(
    minute: str, minutes: tuple[int, ...], hour: str, hours: tuple[int, ...]
) -> tuple[str, str] | None:
    """Say the same times with a field that begins with `*`, as a wildcard must; every such field has 0 in it."""
    if step := _step_of(hours, 24):
        return minute, f"*/{step}"
    if step := _step_of(minutes, 60):
        return f"*/{step}", hour
    if 0 in minutes:
        return ",".join(["*/60", *map(str, minutes[1:])]), hour
    if 0 in hours:
        return minute, ",".join(["*/24", *map(str, hours[1:])])
    return None


def _step_of(values: tuple[int, ...], size: int) -> int | None:
    return next((step for step in range(1, size + 1) if values == tuple(range(0, size, step))), None)


def _list(values: tuple[int, ...]) -> str:
    steps = {later - earlier for earlier, later in pairwise(values)}
    if len(values) <= _LONG_LIST or len(steps) > 1:
        return ",".join(map(str, values))
    step = steps.pop()
    return f"{values[0]}-{values[-1]}" + (f"/{step}" if step > 1 else "")
