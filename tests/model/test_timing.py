import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cronguard.model.duration import parse_duration
from cronguard.model.timing import MAX_TTL, Timing, takeover_after
from cronguard.system.errors import UsageError

seconds = st.floats(min_value=0, max_value=10 * 86400)


@given(seconds, st.none() | seconds)
def test_in_every_accepted_timing_two_heartbeats_fit_before_the_deadline(ttl, kill_after):
    try:
        timing = Timing.of(ttl, kill_after)
    except UsageError:
        assume(False)
    assert timing.ttl - timing.kill >= 2 * timing.heartbeat
    assert 0 < timing.kill < timing.ttl
    assert timing.run_for == timing.ttl - timing.kill > 0


@given(seconds, st.none() | seconds)
def test_a_timing_is_refused_only_when_the_heartbeats_do_not_fit(ttl, kill_after):
    try:
        Timing.of(ttl, kill_after)
    except UsageError:
        kill = 1 + (min(10, ttl / 6) if kill_after is None else kill_after)
        assert not 5 <= ttl <= MAX_TTL or ttl - kill < 2 * min(ttl / 4, 10)


@given(st.floats(min_value=5, max_value=MAX_TTL))
def test_the_default_time_to_stop_fits_every_ttl(ttl):
    assert Timing.of(ttl, None).kill_after == min(10, ttl / 6)


@given(st.floats(min_value=5, max_value=MAX_TTL))
def test_a_heartbeat_is_a_quarter_of_the_ttl_and_ten_seconds_at_most(ttl):
    assert Timing.of(ttl, 0).heartbeat == min(ttl / 4, 10)


@pytest.mark.parametrize("ttl", [0, 4.999, MAX_TTL + 1])
def test_a_ttl_out_of_bounds_is_refused(ttl):
    with pytest.raises(UsageError, match=r"^--ttl: .* is not between 5s and 7d"):
        Timing.of(ttl, None)


@pytest.mark.parametrize(("ttl", "kill_after"), [(5, 2), (10, 10), (40, 19.5), (180, 160)])
def test_a_kill_after_that_leaves_no_room_is_refused_with_both_values(ttl, kill_after):
    with pytest.raises(UsageError, match=f"^--kill-after: {kill_after}s is too long for a ttl of {ttl}s"):
        Timing.of(ttl, kill_after)


@pytest.mark.parametrize(("ttl", "kill_after"), [(5, 2), (10, 10), (40, 19.5), (180, 160)])
def test_the_values_that_the_refusal_suggests_are_accepted(ttl, kill_after):
    with pytest.raises(UsageError) as refusal:
        Timing.of(ttl, kill_after)
    better_ttl, better_kill = (parse_duration(n, "hint") for n in re.findall(r"[\d.]+", refusal.value.hint))
    assert Timing.of(ttl, better_kill).kill_after == better_kill
    assert Timing.of(better_ttl, kill_after).ttl == better_ttl


@given(seconds)
def test_a_takeover_waits_for_the_ttl_and_a_margin(ttl):
    assert takeover_after(ttl) == ttl + max(1.0, ttl / 100)
