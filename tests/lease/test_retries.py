"""A claim that meets an error is retried for as long as the guard waits."""

from itertools import pairwise

import pytest
from fakes import TICK, FakeClock, Once, ask, fail, record
from hypothesis import given
from hypothesis import strategies as st

from cronguard.lease.grant import Grant
from cronguard.lease.lease import Lease
from cronguard.lease.retries import PAUSE, Retries
from cronguard.lease.seen import Sightings
from cronguard.system.errors import BackendError, StoreBusyError, StoreForbiddenError, StoreRefusedError
from cronguard.system.statedir import StateDir

PATIENCE = 24.0


class Alarm(FakeClock):
    """A clock at which something can be set to happen."""

    def __init__(self):
        super().__init__()
        self._due = []

    def at(self, moment, act):
        self._due.append((moment, act))

    def advance(self, seconds):
        super().advance(seconds)
        due, self._due = self._due, []
        for moment, act in due:
            if self.now_boot < moment:
                self._due.append((moment, act))
            else:
                act()


@pytest.fixture
def clock():
    return Alarm()


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


def busy(*_):
    raise StoreBusyError("locked")


def forbidden(*_):
    raise StoreForbiddenError("read-only")


def test_a_run_that_waits_goes_on_while_another_process_holds_the_stores_lock(store, clock, tmp_path):
    sightings = Sightings(StateDir(str(tmp_path), "web1"), "memory", "boot-1", clock)
    answers = []
    claim = Lease(
        store, ask(wait=300.0), clock, sightings, lambda: answers.append(clock.boot()), patience=PATIENCE
    )
    began, swap, wait = clock.boot(), store.swap, store.wait

    def locked(*args):
        clock.advance(10)
        busy()

    store.swap = store.wait = locked

    def release():
        store.swap, store.wait = swap, wait

    clock.at(began + 250.0, release)
    assert isinstance(claim.acquire(), Grant)
    assert clock.boot() - began > 250.0
    assert max(b - a for a, b in pairwise(answers)) < 30, "the guard would take the keeper for hung"


def test_a_lock_that_is_held_for_longer_than_a_run_waits_is_reported_as_that(store, clock, claim):
    began, store.swap = clock.boot(), busy
    with pytest.raises(StoreBusyError):
        claim.acquire()
    assert clock.boot() - began <= PATIENCE


def test_a_first_claim_that_may_not_write_fails_at_once(store, clock, claim):
    began, store.during_swap = clock.boot(), forbidden
    with pytest.raises(StoreForbiddenError):
        claim.acquire()
    assert clock.boot() == began


def waiting(store, clock, tmp_path):
    """Return a run that will find a lease held, and then free."""
    sightings = Sightings(StateDir(str(tmp_path), "web1"), "memory", "boot-1", clock)
    store.publish(record(tick=TICK, run="run-b"))
    return Lease(store, ask(wait=300.0), clock, sightings, patience=PATIENCE)


@pytest.mark.parametrize("name", ["read", "wait", "during_swap"])
def test_a_run_that_waits_survives_a_moment_without_access(store, clock, tmp_path, name):
    run = waiting(store, clock, tmp_path)

    def release():
        store.publish(record(tick=TICK, run="run-b", state="lost"))
        call, count = getattr(store, name), iter(range(10))
        setattr(store, name, lambda *args: forbidden() if next(count, None) is not None else call(*args))

    clock.at(clock.boot() + 20.0, release)
    assert isinstance(run.acquire(), Grant)


@pytest.mark.parametrize("name", ["read", "during_swap"])
def test_a_run_that_waits_reports_that_access_is_refused_if_that_lasts(store, clock, tmp_path, name):
    run = waiting(store, clock, tmp_path)
    began = clock.boot()

    def refuse():
        store.publish(record(tick=TICK, run="run-b", state="lost"))
        setattr(store, name, forbidden)

    clock.at(began + 20.0, refuse)
    with pytest.raises(StoreForbiddenError):
        run.acquire()
    assert clock.boot() - began <= 20 + 5 + PATIENCE


@pytest.mark.parametrize("name", ["read", "wait", "during_swap"])
def test_an_outcome_survives_a_moment_without_access(store, clock, claim, name):
    claim.acquire()
    call, count = getattr(store, name), iter(range(10))
    setattr(store, name, lambda *args: forbidden() if next(count, None) is not None else call(*args))
    assert claim.settle("done", 0, clock.boot() + 30)
    assert store.record().state == "done"


def test_an_outcome_that_may_not_be_written_is_an_error_in_the_end(store, clock, claim):
    claim.acquire()
    store.during_swap, until = forbidden, clock.boot() + 30
    with pytest.raises(StoreForbiddenError):
        claim.settle("done", 0, until)
    assert until <= clock.boot() <= until + 1


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
