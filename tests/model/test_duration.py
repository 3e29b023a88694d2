import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronguard.model.duration import format_duration, parse_duration
from cronguard.system.errors import UsageError

YEAR = 366 * 86400


@pytest.mark.parametrize(("text", "seconds"), [
    ("0", 0), ("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1.5h", 5400), ("0.25", 0.25),
    (" 7 ", 7), ("366d", YEAR),
])  # fmt: skip
def test_a_duration_is_seconds_or_has_a_unit(text, seconds):
    assert parse_duration(text, "--ttl") == seconds


@pytest.mark.parametrize("text", [
    "", "s", "-1", "-5m", "+5", "5 m", "5M", "1h30m", "1e3", "inf", "nan", "0x10", "1_000", "٣", ".5", "5.", "1w",
])  # fmt: skip
def test_a_bad_duration_is_refused_with_the_option_and_the_value(text):
    with pytest.raises(UsageError) as refusal:
        parse_duration(text, "--wait")
    assert str(refusal.value) == f"--wait: {text!r} is not a duration"
    assert "90s" in refusal.value.hint


@pytest.mark.parametrize("text", ["367d", "999999999", "999999999d", "31622401"])
def test_more_than_a_year_is_refused(text):
    with pytest.raises(UsageError, match="more than a year"):
        parse_duration(text, "--timeout")


@given(st.text())
def test_any_text_is_a_duration_in_bounds_or_a_usage_error(text):
    with contextlib.suppress(UsageError):
        assert 0 <= parse_duration(text, "--ttl") <= YEAR


@pytest.mark.parametrize(("seconds", "text"), [
    (-3, "0.0s"), (0, "0.0s"), (0.4, "0.4s"), (12, "12s"), (59.6, "1m"), (7200, "2h"), (604800, "7d"), (187, "3m07s"), (7500, "2h05m"),
    (90000, "1d01h"),
])  # fmt: skip
def test_a_duration_is_formatted_briefly(seconds, text):
    assert format_duration(seconds) == text
