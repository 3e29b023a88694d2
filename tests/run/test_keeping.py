"""How often the guard starts another keeper when each one fails."""

from itertools import pairwise

import pytest
from fakes import JOB, TICK

from cronguard.lease.claim import Ask
from cronguard.model.timing import Timing
from cronguard.run.errand import Errand
from cronguard.run.keeping import Keeping

TTL, RUN_FOR = 180.0, 169.0
MOST_STARTS = 30


class DeadLink:
    is_open = False

    def send(self, kind, **content):
        pass

    def close(self):
        pass


class FailingKeeper:
    """A keeper that is dead as soon as it is started, but may have sent messages before."""

    starts, words = [], []

    def __init__(self, errand, clock):
        self.pid = 4711
        self.link = DeadLink()
        self.starts.append(clock.boot())

    def receive(self):
        said, self.words[:] = list(self.words), []
        return said

    def is_alive(self):
        return False

    def kill(self):
        pass

    def end(self):
        return True


@pytest.fixture
def starts(monkeypatch):
    """The times at which keepers were started."""
    monkeypatch.setattr(FailingKeeper, "starts", [])
    monkeypatch.setattr(FailingKeeper, "words", [])
    return FailingKeeper.starts


@pytest.fixture
def kept(starts, state, clock):
    """A lease that was just renewed; its heartbeat is 10 s."""
    ask = Ask(
        job=JOB, tick=TICK, run="run", node="web1", boot="boot", pid=1, user="app", program="true",
        timing=Timing.of(TTL, None), started=clock.boot(), max_clock_skew=None,
    )  # fmt: skip
    kept = Keeping(Errand(ask, "local", state, 30.0), clock, FailingKeeper)
    kept.deadline = clock.boot() + RUN_FOR
    return kept


def attend(kept, clock, seconds):
    until = clock.boot() + seconds
    while clock.boot() < until:
        kept.attend()
        clock.advance(0.25)


def gaps(starts):
    return [after - before for before, after in pairwise(starts)]


def test_failing_keepers_are_started_less_and_less_often_down_to_one_per_heartbeat(kept, clock, starts):
    attend(kept, clock, 60.0)
    assert gaps(starts)[:6] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_keepers_are_started_at_shorter_intervals_near_the_deadline(kept, clock, starts):
    attend(kept, clock, 200.0)
    assert kept.deadline - 1.5 < starts[-1] < kept.deadline
    assert max(gaps(starts)[-3:]) < 4.0
    assert len(starts) < MOST_STARTS


def test_a_keeper_that_renewed_is_replaced_within_a_second(kept, clock, starts):
    attend(kept, clock, 60.0)
    failed, renewed_at = len(starts), clock.boot()
    FailingKeeper.words.append({"kind": "granted", "deadline": renewed_at + RUN_FOR})
    attend(kept, clock, 4.0)
    assert starts[failed] <= renewed_at + 1.0
    assert gaps(starts[failed:]) == [2.0]


def test_a_renewal_that_the_guard_reads_after_the_deadline_does_not_count(kept, clock):
    """The keeper was frozen, or the message was late: by now another node may run the job."""
    old = kept.deadline
    clock.advance(RUN_FOR + 1.0)
    FailingKeeper.words.append({"kind": "granted", "deadline": clock.boot() + RUN_FOR})
    kept.attend()
    assert kept.deadline == old
