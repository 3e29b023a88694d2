import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cronguard.schedule.schedule import Schedule
from cronguard.schedule.zone import changing_hours
from cronguard.turns.time_slice import Slice, share, slice_of_period, slice_of_schedule


def moment(text, zone="UTC"):
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def shares(expression, nodes, zone="UTC"):
    return [share(Schedule.parse(expression, zone), nodes, index) for index in range(nodes)]


def fires(schedule, begin, end):
    """Return each fire with its number; two fires in one minute (at the end of a gap) count as two."""
    found = []
    walls = schedule._forward(schedule._wall(begin) - 180)
    first = next(walls)
    for number, wall in enumerate(itertools.chain([first], walls), schedule._count_before(first)):
        found += [(at, number) for at in schedule._moments(wall) if begin <= at < end]
        if wall > schedule._wall(end) + 180:
            break
    return found


@pytest.mark.parametrize(
    ("expression", "nodes", "expected"),
    [
        ("*/10 * * * *", 2, [["0,20,40 * * * *"], ["10,30,50 * * * *"]]),
        ("*/10 * * * *", 1, [["*/10 * * * *"]]),
        ("* * * * *", 2, [["0-58/2 * * * *"], ["1-59/2 * * * *"]]),
        ("0 */2\t* *  mon-fri", 2, [["0 0,4,8,12,16,20\t* *  mon-fri"], ["0 2,6,10,14,18,22\t* *  mon-fri"]]),
        ("@hourly", 3, [["0 0-21/3 * * *"], ["0 1-22/3 * * *"], ["0 2-23/3 * * *"]]),
        ("7 1,2 1 * 1", 2, [["7 1 1 * 1"], ["7 2 1 * 1"]]),
        (
            "*/20 * * * *",
            2,
            [["0,40 0-22/2 * * *", "20 1-23/2 * * *"], ["20 0-22/2 * * *", "0,40 1-23/2 * * *"]],
        ),
        ("0 3 * * *", 2, [None, None]),
        ("*/7 * * * *", 5, [None] * 5),
        ("*/10 8-17 * * *", 61, [None] * 61),
    ],
)
def test_the_shares_of_a_schedule(expression, nodes, expected):
    assert shares(expression, nodes) == expected


def test_a_share_that_must_follow_clock_changes_starts_with_a_star_or_cannot_be_expressed():
    assert shares("@hourly", 2, "Europe/Berlin") == [["0 */2 * * *"], ["0 1-23/2 * * *"]]
    assert shares("@hourly", 3, "Europe/Berlin")[2] == ["*/60 2-23/3 * * *"]
    assert shares("*/30 2 * * *", 2, "Europe/Berlin") == [["*/60 2 * * *"], None]
    assert shares("*/10 8-17 * * *", 2, "Europe/Berlin") == [["0,20,40 8-17 * * *"], ["10,30,50 8-17 * * *"]]


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("UTC", set()), ("Europe/Berlin", {2}), ("Australia/Lord_Howe", {1, 2}), ("America/Havana", {0})],
)
def test_the_hours_in_which_the_clocks_change(zone, hours):
    assert changing_hours(ZoneInfo(zone)) == hours


def fields(low, high):
    values = st.lists(st.integers(low, high), min_size=1, max_size=6, unique=True)
    lists = values.map(lambda chosen: ",".join(map(str, sorted(chosen))))
    steps = st.integers(1, high).map("*/{}".format)
    ranges = st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda pair: "{}-{}".format(*sorted(pair))
    )
    return st.one_of(st.just("*"), steps, lists, ranges)


SCHEDULES = st.tuples(
    fields(0, 59), fields(0, 23), st.sampled_from(["*", "*/2", "1,15"]), st.just("*"), fields(0, 6)
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana"])
CHANGES = [
    moment("2024-03-31"),
    moment("2024-10-27"),
    moment("2026-10-03"),
    moment("2026-04-04"),
    moment("2026-11-01"),
]
BEGINS = st.one_of(
    st.sampled_from(CHANGES), st.integers(int(moment("2025-01-01")), int(moment("2027-01-01")))
)


@settings(deadline=None)
@given(SCHEDULES.map(" ".join), st.integers(1, 12), ZONES, BEGINS, st.integers(1, 3))
@example("*/30 * * * *", 4, "Europe/Berlin", moment("2024-10-27"), 1)
@example("*/30 2 * * *", 2, "Europe/Berlin", moment("2024-03-31"), 1)
@example("0 0-23 * * *", 2, "Europe/Berlin", moment("2024-03-31"), 1)
@example("*/20 0-6/2 * * *", 3, "Australia/Lord_Howe", moment("2026-04-04"), 2)
def test_a_share_fires_exactly_when_the_number_of_the_fire_belongs_to_the_node(
    expression, nodes, zone, begin, days
):
    schedule = Schedule.parse(expression, zone)
    whole = fires(schedule, begin, begin + days * 86400)
    for index in range(nodes):
        lines = share(schedule, nodes, index)
        mine = sorted(at for at, number in whole if number % nodes == index)
        if lines is not None:
            dealt = [fires(Schedule.parse(line, zone), begin, begin + days * 86400) for line in lines]
            assert sorted(at for line in dealt for at, _ in line) == mine


@settings(deadline=None)
@given(SCHEDULES.map(" ".join), st.integers(2, 12), BEGINS)
def test_shares_do_not_overlap_and_together_are_the_whole_schedule(expression, nodes, begin):
    schedule = Schedule.parse(expression, "UTC")
    lines = [share(schedule, nodes, index) for index in range(nodes)]
    assume(None not in lines)
    minutes = [
        {at for line in own for at, _ in fires(Schedule.parse(line, "UTC"), begin, begin + 86400)}
        for own in lines
    ]
    assert sum(map(len, minutes)) == len(set.union(*minutes))
    assert set.union(*minutes) == {at for at, _ in fires(schedule, begin, begin + 86400)}


@settings(deadline=None)
@given(SCHEDULES.map(" ".join), st.integers(1, 1000), ZONES, BEGINS)
def test_every_moment_belongs_to_the_slice_of_one_node_and_ends_later(expression, nodes, zone, now):
    current = slice_of_schedule(Schedule.parse(expression, zone), now)
    assert sum(current.belongs_to(nodes, index) for index in range(nodes)) == 1
    assert current.end > now


def test_a_slice_of_a_schedule_lasts_until_the_next_fire():
    current = slice_of_schedule(Schedule.parse("*/10 * * * *", "UTC"), moment("2026-11-22T05:34"))
    assert current.end == moment("2026-11-22T05:40")


@pytest.mark.parametrize(
    ("period", "now", "expected"),
    [(600.0, 0.0, Slice(0, 600.0)), (600.0, 599.9, Slice(0, 600.0)), (600.0, 600.0, Slice(1, 1200.0))],
)
def test_a_slice_of_a_period_is_counted_from_1970(period, now, expected):
    assert slice_of_period(period, now) == expected
