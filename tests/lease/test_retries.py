"""A claim that meets an error is retried for as long as the guard waits."""

import pytest
from fakes import TICK, FakeClock, Once, ask, fail, record
from hypothesis import given
from hypothesis import strategies as st

from cronguard.lease.grant import Grant
from cronguard.lease.lease import Lease
from cronguard.lease.retries import PAUSE, Retries
from cronguard.lease.seen import Sightings
from cronguard.system.errors import BackendError, StoreRefusedError
from cronguard.system.statedir import StateDir

PATIENCE = 24.0


@pytest.fixture
def claim(store, clock, tmp_path):
    sightings = Sightings(StateDir(str(tmp_path), "web1"), "memory", "boot-1", clock)
    return Lease(store, ask(), clock, sightings, patience=PATIENCE)


def failing(count, otherwise):
    """Return a function that fails `count` times and then calls `otherwise`."""
    left = iter(range(count))

    def call(*args):
        if next(left, None) is not None:
            fail()
        return otherwise(*args)

    return call


@pytest.mark.parametrize("name", ["read", "wait", "during_swap", "after_swap"])
def test_one_lost_answer_does_not_cost_the_tick(store, clock, claim, name):
    if name == "wait":
        store.publish(record(tick=TICK, state="lost"))
    setattr(store, name, failing(3, getattr(store, name)))
    assert isinstance(claim.acquire(), Grant)
    assert store.record().run == "run-a"


def test_a_lasting_outage_is_reported_before_the_guard_gives_up(store, clock, claim):
    began, store.read = clock.boot(), fail
    with pytest.raises(BackendError):
        claim.acquire()
    assert PATIENCE - 2 * PAUSE <= clock.boot() - began <= PATIENCE


def test_a_store_that_can_be_read_but_not_written_is_reported_in_the_same_time(store, clock, claim):
    began, store.during_swap = clock.boot(), fail
    with pytest.raises(BackendError):
        claim.acquire()
    assert clock.boot() - began <= PATIENCE


def test_a_refusal_of_the_store_is_not_retried(store, clock, claim):
    def refuse(*_):
        raise StoreRefusedError("foreign")

    began, store.read = clock.boot(), Once(refuse)
    with pytest.raises(StoreRefusedError):
        claim.acquire()
    assert clock.boot() == began


def test_a_claim_that_was_given_back_is_not_made_again(store, clock, claim):
    store.during_swap = lambda: clock.advance(30)
    with pytest.raises(BackendError, match="longer to answer than a ttl"):
        claim.acquire()
    assert store.record().state == "cancelled"


@given(st.lists(st.sampled_from(["fails", "answers"]), max_size=300))
def test_an_outage_without_five_good_seconds_lasts_no_longer_than_its_limit(steps):
    clock = FakeClock()
    retries, troubled = Retries(PATIENCE, clock), None
    for step in steps:
        retries.asks()
        if step == "fails":
            troubled = clock.boot() if troubled is None else troubled
            if not retries.may_go_on():
                break
            assert clock.boot() + PAUSE - troubled <= PATIENCE
        else:
            retries.answered()
        clock.advance(PAUSE)
        if retries._well is not None and clock.boot() - retries._well > 5:
            troubled = None
