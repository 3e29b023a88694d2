import datetime as dt
import itertools
import json
import pathlib
import sys
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cronguard.schedule.schedule import Schedule
from cronguard.system.errors import UsageError

RECORDED = json.loads(pathlib.Path(__file__).with_name("data").joinpath("debian_cron.json").read_text())
YEAR = 366 * 86400


def moment(text, zone="UTC", fold=0):
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def label(at):
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%MZ")


def forward(schedule, begin, end):
    fires, at = [], begin
    while (at := schedule.next(at)) < end:
        fires.append(at)
    return fires


def backward(schedule, begin, end):
    fires, at = [], end - 1
    while (at := schedule.latest(at)) > begin:
        fires.append(at)
        at -= 1
    return fires[::-1]


def one_by_one(schedule, begin, end):
    """Apply the documented rule minute by minute; only for zones without changes."""
    fires = []
    for at in range(int(begin // 60) * 60, int(end), 60):
        now = dt.datetime.fromtimestamp(at, dt.UTC)
        day, weekday = now.day in schedule.days, now.isoweekday() % 7 in schedule.weekdays
        matches = day or weekday if schedule.either_day else day and weekday
        if (
            matches
            and now.month in schedule.months
            and now.hour in schedule.hours
            and now.minute in schedule.minutes
        ):
            fires.append(at)
    return fires


@pytest.mark.parametrize(
    ("case", "expression"),
    [
        pytest.param(c, e, id=f"{c['zone']}-{label(c['begin'])}-{e}")
        for c in RECORDED["cases"]
        for e in c["fires"]
    ],
)
def test_fires_are_those_recorded_from_a_running_debian_cron(case, expression):
    schedule = Schedule.parse(expression, case["zone"])
    seen = case["fires"][expression]
    assert [label(at) for at in forward(schedule, case["begin"], case["end"])] == seen
    assert [label(at) for at in backward(schedule, case["begin"], case["end"])] == seen


def test_the_recording_distinguishes_wildcard_from_fixed_schedules_and_both_day_rules():
    by_day = {(c["zone"], label(c["begin"])[:10]): c["fires"] for c in RECORDED["cases"]}
    gap, repeat = by_day["Europe/Berlin", "2024-03-30"], by_day["Europe/Berlin", "2024-10-26"]
    assert gap["30 2 * * *"] == ["2024-03-31T01:00Z"]
    assert gap["*/30 2 * * *"] == []
    assert len(repeat["*/30 2 * * *"]) == 4
    assert len(repeat["5 0-23 * * *"]) == len(repeat["@hourly"]) - 1
    assert gap["45 1 */2 * 0"] and not gap["45 1 1 * */2"]


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 0 13 * 5", "2026-11-01T00:00", "2026-11-06T00:00"),  # either the 13th or a Friday
        ("0 0 */2 * 5", "2026-11-01T00:00", "2026-11-13T00:00"),  # a Friday with an odd date
        ("0 0 29 2 *", "2026-11-01T00:00", "2028-02-29T00:00"),
        ("0 0 29 2 *", "2097-01-01T00:00", "2104-02-29T00:00"),
        ("0 0 * * 7", "2026-11-20T00:00", "2026-11-22T00:00"),
        ("5-5 5-5/3 * NOV sun-Mon", "2026-11-20T00:00", "2026-11-22T05:05"),
        ("*/70 */30 * * *", "2026-11-20T10:00", "2026-11-21T00:00"),
        ("*,5 1 * * *", "2026-11-20T01:06", "2026-11-20T01:07"),
        ("@yearly", "2026-11-20T01:06", "2027-01-01T00:00"),
        ("@annually", "2026-11-20T01:06", "2027-01-01T00:00"),
        ("@monthly", "2026-11-20T01:06", "2026-12-01T00:00"),
        ("@weekly", "2026-11-20T01:06", "2026-11-22T00:00"),
        ("@midnight", "2026-11-20T01:06", "2026-11-21T00:00"),
    ],
)
def test_the_next_fire(expression, after, expected):
    assert label(Schedule.parse(expression, "UTC").next(moment(after))) == expected + "Z"


@pytest.mark.parametrize(
    "expression", ["*/7 3-5 1,15 * mon", "0 12 */3 * 2", "59 23 31 * *", "*/20 */5 * 1-11/2 *"]
)
def test_fires_agree_with_the_rule_applied_minute_by_minute(expression):
    schedule = Schedule.parse(expression, "UTC")
    begin, end = moment("2026-01-30T00:00") - 1, moment("2026-04-03T00:00")
    assert (
        forward(schedule, begin, end)
        == backward(schedule, begin, end)
        == one_by_one(schedule, begin + 1, end)
    )


def test_a_gap_of_a_day_is_not_summer_time_and_the_fires_in_it_are_lost():
    samoa = Schedule.parse("0 12 * * *", "Pacific/Apia")  # there was no 30 December 2011
    fires = forward(
        samoa, moment("2011-12-29T00:00", "Pacific/Apia"), moment("2012-01-01T00:00", "Pacific/Apia")
    )
    assert [dt.datetime.fromtimestamp(at, samoa.zone).day for at in fires] == [29, 31]


def test_of_fires_at_the_same_moment_the_one_with_the_latest_wall_minute_counts():
    schedule = Schedule.parse("0,30 2,3 * * *", "Europe/Berlin")
    at_gap_end = schedule.latest_fire(moment("2024-03-31T03:05", "Europe/Berlin"))
    assert label(at_gap_end.at) == "2024-03-31T01:00Z"
    assert at_gap_end.wall % 1440 == 3 * 60


def test_a_wildcard_that_fires_once_a_year_in_the_repeated_hour_is_not_lost():
    schedule = Schedule.parse("50 */2 27 10 *", "Europe/Berlin")
    early_in_second_pass = moment("2024-10-27T02:10", "Europe/Berlin", fold=1)
    assert label(schedule.latest(early_in_second_pass)) == "2024-10-27T00:50Z"


EXPRESSIONS = [
    "*/10 * * * *",
    "30 2 * * *",
    "@hourly",
    "15,45 1-3 * * *",
    "*/30 2 * * *",
    "0 0 1 * 5",
    "7 */6 * * *",
]
ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "America/Nuuk", "Asia/Kathmandu"]
moments = st.integers(int(moment("2025-01-01T00:00")), int(moment("2030-01-01T00:00")))


@settings(deadline=None)
@given(st.sampled_from(EXPRESSIONS), st.sampled_from(ZONES), moments)
@example("15,45 1-3 * * *", "Europe/Berlin", int(moment("2024-10-27T00:20")))
@example("15,45 1-3 * * *", "Europe/Berlin", int(moment("2024-03-31T01:00")))
def test_latest_next_and_number_agree(expression, zone, now):
    schedule = Schedule.parse(expression, zone)
    latest, following = schedule.latest(now), schedule.next(now)
    assert latest <= now < following
    assert schedule.next(latest) == following
    assert schedule.latest(following - 1) == latest
    assert schedule.number(latest) == schedule.number(now)
    assert schedule.tick(now).epoch == latest


@settings(deadline=None)
@given(st.sampled_from(EXPRESSIONS), moments)
def test_numbers_increase_by_one_from_fire_to_fire_while_the_clocks_do_not_change(expression, now):
    schedule = Schedule.parse(expression, "UTC")
    assert schedule.number(schedule.next(now)) == schedule.number(now) + 1


FIELDS = st.one_of(
    st.text(max_size=4),
    st.text("0123456789*/,-", min_size=1, max_size=6),
    st.sampled_from(["*", "*/2", "1-5", "31", "2", "jan", "Sun", "7", "L", "?", "#1"]),
)


@given(st.one_of(st.text(), st.lists(FIELDS, min_size=4, max_size=6).map(" ".join)), moments)
@example("0 0 29 2 *", int(moment("2096-03-01T00:00")))
def test_any_text_is_a_schedule_that_fires_or_a_usage_error(text, now):
    try:
        schedule = Schedule.parse(text, "UTC")
    except UsageError:
        return
    assert now < schedule.next(now) == schedule.latest(schedule.next(now))


@pytest.mark.parametrize("expression", ["*/10 * * * *", "0 0 13 * 5", "@weekly", "0 0 29 2 *"])
def test_the_first_fire_since_1970_has_number_0_and_each_is_counted(expression):
    schedule = Schedule.parse(expression, "UTC")
    fires = itertools.accumulate(range(50), lambda at, _: schedule.next(at), initial=schedule.next(-1))
    assert [schedule.number(at) for at in fires] == list(range(51))


def test_a_repeated_hour_repeats_its_numbers():
    schedule = Schedule.parse("*/20 * * * *", "Europe/Berlin")
    passes = [schedule.number(moment("2024-10-27T02:25", "Europe/Berlin", fold)) for fold in (0, 1)]
    assert passes[0] == passes[1]


def test_the_number_is_the_same_in_every_zone_that_shows_the_same_time():
    numbers = {Schedule.parse("*/7 * * * *", z).number(moment("2026-11-22T05:30", z)) for z in ZONES}
    assert len(numbers) == 1


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "* * * *",
        "* * * * * *",
        "0 0 * * * 2026",
        "@reboot",
        "@Daily",
        "@every 5m",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5/15 * * * *",
        "*/0 * * * *",
        "1,,2 * * * *",
        "50-10 * * * *",
        "* * * * fri-sun",
        "* * L * *",
        "* * 15W * *",
        "* * * * 5L",
        "* * * * 5#2",
        "? * * * *",
        "H * * * *",
        "~ * * * *",
        "jan * * * *",
        "* * * mon *",
        "* * * * monday",
        "-5 * * * *",
        "0 0 31 2 *",
        "0 0 30 feb */2",
        "\N{ARABIC-INDIC DIGIT FIVE} * * * *",
    ],
)
def test_a_schedule_that_debian_cron_does_not_accept_is_refused_with_the_value_and_a_hint(expression):
    with pytest.raises(UsageError) as refused:
        Schedule.parse(expression, "UTC")
    assert repr(expression) in str(refused.value)
    assert refused.value.hint


def test_the_zone_in_the_schedule_overrides_the_argument_which_overrides_the_environment(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert Schedule.parse("@daily").zone.key == "Asia/Tokyo"
    assert Schedule.parse("@daily", "UTC").zone.key == "UTC"
    assert Schedule.parse("CRON_TZ=Europe/Berlin @daily", "UTC").zone.key == "Europe/Berlin"
    assert Schedule.parse("TZ=Europe/Berlin 0 0 * * *", "UTC").zone.key == "Europe/Berlin"
    assert Schedule.parse("@daily", "localtime").zone.key != "Asia/Tokyo"


@pytest.mark.parametrize(("value", "key"), [(":Europe/Berlin", "Europe/Berlin"), ("", "UTC")])
def test_the_variable_is_read_as_the_c_library_reads_it(monkeypatch, value, key):
    monkeypatch.setenv("TZ", value)
    assert Schedule.parse("@daily").zone.key == key


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../../etc/passwd", "CET-1CEST,M3.5.0,M10.5.0/3"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(UsageError, match="is not a known time zone") as refused:
        Schedule.parse("@daily", zone)
    assert "--timezone" in refused.value.hint


def test_a_tick_needs_no_croniter():
    import subprocess

    code = "import sys, cronguard.model.tick; print('croniter' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
