from hypothesis import given
from hypothesis import strategies as st

from cronguard.heartbeat.assessment import BEAT, Found, Look, assess, is_fit
from cronguard.heartbeat.health import Counting, Path, Sight, Verdict, judge, seen_beat
from cronguard.heartbeat.probe_handlers import Answer
from cronguard.heartbeat.state import HeartbeatState, keep, recall
from cronguard.model.beat import DOWN, UNKNOWN, UP

COUNTING = Counting(rise=2, fall=3, quorum=1)
GOOD, BAD, UNABLE = Answer(True), Answer(False, "refused"), Answer(None, "no such host")


def path_after(*samples, counting=COUNTING):
    path = Path()
    for sample in samples:
        path = path.after(sample, counting)
    return path.state


def look(number, node="web2", every=5.0, fit=True):
    return Look(node, f"boot:{number}", every, fit, "machine-2", 0.0)


def beats(memory, *numbers, now=1000.0, every=5.0, probes=None, counting=COUNTING, fit=True, checks=None):
    """Send a heartbeat for each number, which is that of the other node's heartbeat; None: the store is unreachable."""
    for number in numbers:
        looks = None if number is None else {"web2": look(number, fit=fit)}
        asked = {"web2": probes or {}}
        memory = assess(memory, Found(checks or {}, asked, looks, now, every), counting, ("web2",))
        memory = memory._replace(beaten=now)
        now += every
    return memory, now


def state(memory, node="web2"):
    return memory.others[node].verdict.state


# paths


def test_a_path_falls_after_so_many_failures_in_a_row_and_rises_after_so_many_answers():
    assert path_after(True) == UP
    assert path_after(True, False, False) == UP
    assert path_after(True, False, False, False) == DOWN
    assert path_after(True, False, False, True, False, False) == UP
    assert path_after(True, False, False, False, True) == DOWN
    assert path_after(True, False, False, False, True, True) == UP


def test_an_unknown_path_falls_as_slowly_as_any_other():
    assert path_after(False, False) == UNKNOWN
    assert path_after(False, False, False) == DOWN


@given(st.lists(st.sampled_from([True, False, None])))
def test_a_sample_that_could_not_be_taken_changes_nothing(samples):
    assert path_after(*samples) == path_after(*(sample for sample in samples if sample is not None))


@given(st.lists(st.booleans(), min_size=1), st.integers(1, 5), st.integers(1, 5))
def test_a_path_is_down_only_after_fall_failures_since_it_was_up(samples, rise, fall):
    counting = Counting(rise, fall)
    if path_after(*samples, counting=counting) == DOWN:
        assert samples.count(False) >= fall
    if samples[-fall:] == [False] * fall:
        assert path_after(*samples, counting=counting) == DOWN
    if samples[-rise:] == [True] * rise:
        assert path_after(*samples, counting=counting) == UP


# nodes


def test_a_node_is_down_only_when_its_quorum_cannot_be_reached():
    for quorum, ups, expected in (
        (1, 1, UP),
        (1, 0, DOWN),
        (2, 1, DOWN),
        (2, 2, UP),
        (9, 2, DOWN),
        (9, 3, UP),
    ):
        paths = {str(number): Path(UP if number < ups else DOWN) for number in range(3)}
        assert judge(Verdict(), paths, True, quorum, 5.0).state == expected


def test_an_unknown_path_counts_in_favour_of_the_node():
    assert judge(Verdict(), {"beat": Path(DOWN), "ip": Path()}, True, 1, 5.0).state == UP


def test_a_node_of_which_nothing_is_known_is_unknown():
    assert judge(Verdict(), {"beat": Path()}, True, 1, 5.0).state == UNKNOWN


def test_a_node_that_reports_itself_unfit_is_down_even_if_its_paths_are_up():
    assert judge(Verdict(UP), {"beat": Path(UP), "ip": Path(UP)}, False, 1, 5.0).state == DOWN


def test_a_verdict_knows_since_when_and_when_the_node_came_back():
    down = judge(Verdict(UP, 1.0), {"a": Path(DOWN)}, True, 1, 5.0)
    assert down == Verdict(DOWN, 5.0, None)
    assert judge(down, {"a": Path(UP)}, True, 1, 9.0) == Verdict(UP, 9.0, 9.0)
    assert judge(Verdict(), {"a": Path(UP)}, True, 1, 9.0).back is None


# heartbeats as other nodes see them


def test_a_heartbeat_that_continues_is_up_and_a_frozen_one_goes_down_after_three_periods():
    memory, now = beats(HeartbeatState(), 1, 2, 3)
    assert state(memory) == UP
    memory, now = beats(memory, 3, 3, 3, now=now)
    assert state(memory) == UP
    memory, now = beats(memory, 3, now=now)
    assert state(memory) == DOWN  # three periods missed, and one of ours
    memory, now = beats(memory, 4, now=now)
    assert state(memory) == DOWN
    memory, _ = beats(memory, 5, now=now)
    assert state(memory) == UP


def test_a_quick_observer_judges_a_slow_heartbeat_by_its_period():
    sight, path = Sight(), Path(UP)
    for number in range(40):
        before, sight = sight, sight.after("boot:1", 5.0 * number, 5.0)
        path = seen_beat(path, before, sight, 60.0, 5.0, COUNTING)
        assert path.state == (UP if 5 * number < 185 else DOWN)


def test_an_unreachable_store_is_no_missed_heartbeat():
    memory, now = beats(HeartbeatState(), 1, 2, *[None] * 50)
    assert state(memory) == UP
    memory, _ = beats(memory, 2, now=now)
    assert state(memory) == UP


def test_a_node_is_down_only_if_both_its_heartbeats_and_its_probes_fail():
    memory, _ = beats(HeartbeatState(), 1, 2, 2, 2, 2, 2, 2, probes={"ip": GOOD})
    assert memory.others["web2"].paths[BEAT].state == DOWN and state(memory) == UP
    memory, _ = beats(HeartbeatState(), *range(9), probes={"ip": BAD})
    assert memory.others["web2"].paths["ip"].state == DOWN and state(memory) == UP
    memory, _ = beats(HeartbeatState(), *[2] * 9, probes={"ip": BAD})
    assert state(memory) == DOWN


def test_a_node_that_never_sent_a_heartbeat_is_judged_by_its_probes_only():
    memory = HeartbeatState()
    for number in range(6):
        looks = {} if number < 4 else None  # an unreachable store changes nothing
        found = Found({}, {"web2": {"ip": BAD}}, looks, 1000.0 + 5 * number, 5.0)
        memory = assess(memory, found, COUNTING, ("web2",))
        assert state(memory) == (UNKNOWN if number < 2 else DOWN)


def test_a_heartbeat_that_vanished_from_the_store_goes_down_like_a_frozen_one():
    memory, now = beats(HeartbeatState(), 1, 2, 3)
    for number in range(6):
        memory = assess(memory, Found({}, {}, {}, now + 5 * number, 5.0), COUNTING, ("web2",))
    assert state(memory) == DOWN


def test_a_configured_node_that_was_never_seen_is_unknown():
    memory = assess(HeartbeatState(), Found({}, {}, {}, 5.0, 5.0), COUNTING, ("web2",))
    assert state(memory) == UNKNOWN


def test_a_node_whose_heartbeats_report_it_unfit_is_down():
    memory, now = beats(HeartbeatState(), 1, 2, 3)
    memory, _ = beats(memory, 4, now=now, fit=False)
    assert state(memory) == DOWN


# this node itself


def test_own_checks_also_need_several_failures_to_make_a_node_unfit():
    memory, now = beats(HeartbeatState(), 1, 2, checks={"app": BAD})
    assert is_fit(memory)
    memory, now = beats(memory, 3, now=now, checks={"app": BAD})
    assert not is_fit(memory)
    memory, now = beats(memory, 4, 5, now=now, checks={"app": GOOD})
    assert is_fit(memory) and memory.back == now - 10  # the last heartbeat at which it was not fit


def test_a_check_that_is_no_longer_configured_does_not_count():
    memory, now = beats(HeartbeatState(), 1, 2, 3, checks={"app": BAD})
    memory, _ = beats(memory, 4, now=now)
    assert is_fit(memory)


def test_a_node_counts_from_the_end_of_its_own_break():
    memory, now = beats(HeartbeatState(), 1, 2, 3)
    assert memory.back == 0.0  # when it was booted
    memory, now = beats(memory, 4, now=now + 15)
    assert memory.back == 0.0
    memory, _ = beats(memory, 5, now=now + 60)
    assert memory.back == now + 60


def test_without_a_memory_the_last_heartbeat_in_the_store_shows_the_break():
    for away, back in ((None, 0.0), (15.0, 0.0), (60.0, 1000.0)):
        assert assess(HeartbeatState(), Found({}, {}, {}, 1000.0, 5.0, away), COUNTING, ()).back == back


def test_a_probe_that_could_not_be_run_is_among_the_details():
    memory, _ = beats(HeartbeatState(), 1, probes={"ip": UNABLE, "port": BAD}, checks={"app": BAD})
    assert memory.details == {"app": "refused", "web2 ip": "no such host", "web2 port": "refused"}


# memory


def test_the_memory_is_recalled_and_forgotten_with_the_boot(state):
    memory, _ = beats(HeartbeatState(), 1, 2, probes={"ip": BAD}, checks={"app": GOOD})
    memory = memory._replace(troubles=("x",), mine=Sight("a", 1.0, 2.0))
    keep(memory, state, "dir:/x", "boot-1")
    assert recall(state, "dir:/x", "boot-1") == memory
    assert recall(state, "dir:/x", "boot-2") == recall(state, "dir:/y", "boot-1") == HeartbeatState()


def test_a_damaged_memory_counts_as_empty(state):
    for data in (b"{", b"[]", b'{"boot":"boot-1"}', b'{"boot":"boot-1","others":[]}'):
        state.store("heartbeat", "dir:/x", data)
        assert recall(state, "dir:/x", "boot-1") == HeartbeatState()
