"""Time slices: the nodes take turns by the clock and share nothing else.

A slice lasts from one fire of a schedule to the next, or for a fixed period. Node `index` of `nodes` has the slices
whose number modulo `nodes` is `index`. So the nodes' slices never overlap, and together they cover all time.
"""

from itertools import pairwise
from typing import NamedTuple

from cronguard.model.tick import Tick
from cronguard.schedule.schedule import Schedule
from cronguard.schedule.zone import changing_hours
from cronguard.turns.known import Known
from cronguard.turns.turn import Turn

_LONG_LIST = 6  # values; a longer list is written as a range where that is possible


class Slice(NamedTuple):
    """A time slice: its number and its end, in epoch seconds."""

    number: int
    end: float

    def belongs_to(self, nodes: int, index: int) -> bool:
        """Return whether the slice belongs to node `index` of `nodes`."""
        return self.number % nodes == index


def turn(me: str, tick: Tick, known: Known) -> Turn:
    """Return the turn: the tick belongs to the node whose position is the tick's number modulo the number of nodes.

    The other nodes never run it. But if covered, they follow in the order of their slices, each after a head start for
    those before it.
    """
    first = known.number % len(known.nodes)
    order = [*known.nodes[first:], *known.nodes[:first]]
    if order[0] != me and not known.is_covered:
        return Turn(None, f"time slice {known.number} belongs to {order[0]}")
    before = order[: order.index(me)] if known.peer(me).is_up or not known.is_covered else order
    return known.turn_after(node for node in before if node != me)


def slice_of_schedule(schedule: Schedule, now: float) -> Slice:
    """Return the slice from the schedule's latest fire to its next."""
    return Slice(schedule.number(now), schedule.next(now))


def slice_of_period(period: float, now: float) -> Slice:
    """Return the slice of `period` seconds that contains `now`, counted from 1970."""
    number = int(now // period)
    return Slice(number, (number + 1) * period)


def share(schedule: Schedule, nodes: int, index: int) -> list[str] | None:
    """Return the crontab schedules that together fire exactly when `schedule.number` belongs to this node.

    Returns None if cron cannot express them. Cron cannot count across days, so the fires of one day must divide
    evenly among the nodes. A share must also behave as the schedule itself does when the clocks change (see
    `Schedule`), if its zone changes them in one of its hours.
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
    """Express the same times with a field that starts with `*`, as a wildcard must; every such field includes 0."""
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
