import pytest

from cronguard.store.shared.insisting import Insistence, UnansweredError
from cronguard.system.errors import BackendError


class Engine:
    """Answers after some tries, each of which took a while."""

    def __init__(self, clock, tries, took=0.0):
        self.clock, self.left, self.took = clock, tries, took
        self.told = []

    def once(self, is_repeated):
        self.told.append(is_repeated)
        self.clock.advance(self.took)
        if self.left:
            self.left -= 1
            raise UnansweredError("connection refused")
        return "answer"


def insistence(clock, timeout=30.0):
    return Insistence(clock, timeout, "etcd at h1:2379", "look there")


def test_an_answer_is_returned_at_once(clock):
    engine, began = Engine(clock, 0), clock.boot()
    assert insistence(clock).ask(engine.once) == "answer"
    assert clock.boot() == began


def test_it_tries_again_and_reports_that_it_is_a_repetition(clock):
    engine = Engine(clock, 5)
    assert insistence(clock).ask(engine.once) == "answer"
    assert engine.told == [False, True, True, True, True, True]


@pytest.mark.parametrize("took", [0.0, 1.0, 5.0])
def test_it_gives_up_before_the_guard_gives_up_on_its_keeper(clock, took):
    engine, began = Engine(clock, 1000, took), clock.boot()
    with pytest.raises(BackendError, match="etcd at h1:2379: connection refused") as caught:
        insistence(clock).ask(engine.once)
    assert caught.value.hint == "look there"
    assert 20.0 < clock.boot() - began < 30.0


def test_a_short_time_limit_allows_one_try(clock):
    engine = Engine(clock, 1000, 0.5)
    with pytest.raises(BackendError):
        insistence(clock, 0.1).ask(engine.once)
    assert len(engine.told) == 1
