"""How a command is stopped: asked once, then killed in each round, and given up only after rounds that were carried out."""

from signal import SIGKILL, SIGTERM

from hypothesis import given
from hypothesis import strategies as st

from cronguard.run.endgame import Endgame

PATIENCE = 10.0


def endgame(kill_at=100.0):
    found = Endgame(PATIENCE)
    found.stop(kill_at)
    return found


def test_nothing_is_sent_before_the_command_must_stop():
    assert Endgame(PATIENCE).order(1e9) is None


def test_a_command_is_asked_once_and_then_killed_in_each_round():
    end = endgame()
    assert [end.order(now) for now in (90.0, 95.0, 100.0, 100.1)] == [SIGTERM, None, SIGKILL, SIGKILL]


def test_a_guard_that_wakes_too_late_kills_at_once():
    assert endgame().order(5000.0) == SIGKILL


def test_a_later_request_can_only_bring_the_kill_forward():
    end = endgame(100.0)
    end.stop(200.0)
    assert end.kill_at == 100.0
    end.stop(50.0)
    assert end.kill_at == 50.0


def test_a_standstill_before_the_first_kill_is_no_patience_spent():
    """The guard was frozen for minutes: what it kills now needs a moment to die."""
    end = endgame()
    for now in (5000.0, 5000.1, 5000.2):
        assert end.order(now) == SIGKILL
        assert not end.is_hopeless


def test_a_standstill_between_two_rounds_counts_for_one_round():
    end = endgame()
    end.order(100.0)
    end.order(100000.0)
    assert not end.is_hopeless


@given(st.lists(st.floats(0.001, 1000.0), max_size=60))
def test_it_is_hopeless_only_after_rounds_of_patience(pauses):
    end, now = endgame(), 100.0
    end.order(now)
    for pause in pauses:
        now += pause
        end.order(now)
    assert (
        end.is_hopeless == (sum(min(pause, 0.5) for pause in pauses) >= PATIENCE)
        or abs(sum(min(pause, 0.5) for pause in pauses) - PATIENCE) < 1e-6
    )
