from math import inf

import pytest
from fakes import JOB, Store, ask, record
from hypothesis import given
from hypothesis import strategies as st

from cronguard.advice.waiting_line import DEAD_AFTER, WaitingLine
from cronguard.model.waiters import MOST, Waiter, Waiters, decode, encode, waiters_key
from cronguard.store.contract import MAX_DATA
from cronguard.system.errors import StoreRefusedError

A, B, C = (Waiter(f"run-{name}", "web1", 1, 0.0) for name in "abc")


def line(store, run, is_look=False):
    return WaitingLine(store, ask(run=run, wait=600.0), store.clock, lambda: None, is_look=is_look)


def stored(store):
    found = decode(store.inner.read(waiters_key(JOB)).data, "here")
    return [waiter.run for waiter in found.waiting] if found else []


def test_waiting_runs_are_in_order_of_arrival():
    assert Waiters().with_beat(A).with_beat(B).with_beat(A).before("run-b") == [A._replace(beat=1)]


def test_a_run_that_is_not_in_the_list_comes_after_all_of_it():
    assert Waiters((A, B)).before("run-c") == [A, B]


@given(
    st.lists(
        st.builds(Waiter, st.text(), st.text(), st.integers(0, 10**7), st.floats(0, 1e12), st.integers(0))
    )
)
def test_a_list_is_read_as_it_was_written(waiting):
    waiters = Waiters(tuple(waiting), "me", 3, (("zzz", 1),))
    assert decode(encode(waiters), "here") == waiters


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b'{"format":1}', b'{"format":9}', b'{"format":1,"waiting":[1]}']
)
def test_data_that_are_not_a_list_are_refused(data):
    with pytest.raises(StoreRefusedError, match="here"):
        decode(data, "here")


@pytest.mark.parametrize("since", [inf, -inf, 1e16])
def test_a_list_with_an_impossible_time_is_refused(since):
    waiting = (Waiter("run", "web1", 1, since),)
    with pytest.raises(StoreRefusedError, match="is not a valid time"):
        decode(encode(Waiters(waiting, "me", 1)), "waiters/b/j")


def test_the_longest_list_fits_into_an_entry():
    full = Waiters()
    for number in range(MOST + 5):
        full = full.with_beat(Waiter(f"{number:016}", "n" * 100, 4194304, 1795305600.123456, 10**6))
    assert len(full.waiting) == MOST and len(encode(full)) < MAX_DATA


def test_a_free_lease_that_no_run_waits_for_needs_no_place_in_the_list(store):
    assert line(store, "run-a").turn(None, is_free=True).head_start == 0
    assert store.writes == 0


def test_the_first_run_to_arrive_is_the_first_to_start(store):
    lines = [line(store, run) for run in ("run-a", "run-b", "run-c")]
    held = record(run="run-x")
    for one in lines:
        one.turn(held, is_free=False)
    assert [one.turn(held, is_free=True).head_start for one in lines] == [0, 600, 600]
    after_a = record(run="run-a")
    assert [one.turn(after_a, is_free=True).head_start for one in lines[1:]] == [0, 600]
    assert lines[2].turn(record(run="run-b"), is_free=True).head_start == 0


def test_a_run_that_arrives_when_the_lease_is_free_goes_to_the_end_of_the_queue(store):
    line(store, "run-a").turn(record(), is_free=False)
    late = line(store, "run-b")
    assert late.turn(None, is_free=True).head_start == 600
    assert stored(store) == ["run-a", "run-b"]


def test_a_dead_waiting_run_is_passed_over_once_its_beat_was_seen_unchanged(store, clock):
    line(store, "run-dead").turn(record(), is_free=False)
    alive = line(store, "run-a")
    alive.turn(record(), is_free=False)
    for _ in range(int(DEAD_AFTER) // 5):
        assert alive.turn(None, is_free=True).head_start == 600
        clock.advance(5)
    assert alive.turn(None, is_free=True).head_start == 0
    assert stored(store) == ["run-a"]


def test_a_live_waiting_run_is_never_passed_over(store, clock):
    first, second = line(store, "run-a"), line(store, "run-b")
    for _ in range(20):
        first.turn(record(), is_free=False)
        second.turn(record(), is_free=False)
        clock.advance(5)
    assert second.turn(None, is_free=True).head_start == 600


def test_nobody_waits_for_a_run_that_has_left(store):
    first, second = line(store, "run-a"), line(store, "run-b")
    first.turn(record(), is_free=False)
    second.turn(record(), is_free=False)
    first.leave()
    assert second.turn(None, is_free=True).head_start == 0
    first.leave()
    assert stored(store) == ["run-b"]


def test_a_dry_run_writes_nothing(store):
    line(store, "run-a").turn(record(), is_free=False)
    writes = store.writes
    assert line(store, "run-b", is_look=True).turn(record(), is_free=False).head_start == 600
    assert store.writes == writes


def test_a_lost_answer_does_not_give_two_places(clock):
    store = Store(clock)
    store.after_swap = lambda published: None
    with pytest.raises(Exception, match="others keep changing it"):
        line(store, "run-a").turn(record(), is_free=False)
    assert stored(store) == ["run-a"]
