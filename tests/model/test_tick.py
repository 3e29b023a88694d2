import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronguard.model.tick import Tick
from cronguard.system.errors import ConfigError, UsageError


@pytest.mark.parametrize("seconds", [0, 0.001, 59, 59.999])
def test_all_moments_of_a_minute_belong_to_one_tick(seconds):
    assert Tick.of(1795325400 + seconds) == Tick(1795325400)


def test_a_tick_is_written_in_utc():
    assert Tick(1795325400).label == "2026-11-22T05:30Z"


@given(st.floats())
def test_every_tick_that_can_be_made_is_read_as_it_was_written(wall):
    with contextlib.suppress(ConfigError):
        assert Tick.parse(Tick.of(wall).label) == Tick.of(wall)


@pytest.mark.parametrize("wall", [0.0, 59.9, 253402300740.0, 253402300799.9])
def test_the_first_and_the_last_minute_are_ticks(wall):
    assert Tick.parse(Tick.of(wall).label) == Tick.of(wall)


@pytest.mark.parametrize(
    "wall", [-0.1, -62135596800.0, 253402300800.0, 1e15, 1e300, math.inf, -math.inf, math.nan]
)
def test_a_time_that_no_label_can_tell_is_no_tick(wall):
    with pytest.raises(ConfigError, match="is not between the years 1970 and 9999") as refusal:
        Tick.of(wall)
    assert f"{wall:.0f}" in str(refusal.value) and "clock" in refusal.value.hint


@pytest.mark.parametrize("label", [
    "", "now", "2026-11-22", "2026-11-22 05:30", "2026-11-22T05:30", "2026-11-22T05:30:00Z", "2026-11-22T05:30z",
    "2026-11-22T05:30+00:00", "2026-02-30T05:30Z", "2025-02-29T05:30Z", "2026-13-01T05:30Z", "2026-00-01T05:30Z",
    "2026-11-00T05:30Z", "2026-11-22T24:00Z", "2026-11-22T05:60Z", "1969-12-31T23:59Z", "0000-01-01T00:00Z",
    "0001-01-01T00:00Z", "10000-01-01T00:00Z", "+10000-01-01T00:00Z", "-001-01-01T00:00Z",
    "٢026-11-22T05:30Z", " 2026-11-22T05:30Z", "2026-11-22T05:30Z\n",
])  # fmt: skip
def test_an_invalid_tick_is_refused_with_its_value(label):
    with pytest.raises(UsageError) as refusal:
        Tick.parse(label)
    assert str(refusal.value) == f"--tick: {label!r} is not a tick"


def test_a_leap_day_is_valid():
    assert Tick.parse("2028-02-29T23:59Z").label == "2028-02-29T23:59Z"


@given(st.text())
def test_any_text_is_a_tick_or_a_usage_error(text):
    with contextlib.suppress(UsageError):
        assert Tick.parse(text).label == text


def test_ticks_are_ordered_by_time():
    assert Tick.parse("2026-11-22T05:30Z") < Tick.parse("2026-11-22T05:31Z") < Tick.parse("2027-01-01T00:00Z")
