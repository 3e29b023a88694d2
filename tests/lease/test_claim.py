import pytest
from fakes import EARLIER, LATER, TAKEOVER, TICK, TTL, FakeClock, ask, ended, record
from hypothesis import assume, given
from hypothesis import strategies as st

from cronguard.lease.claim import Claim, Skip, Watch, decide, first_record, held, looks_abandoned
from cronguard.model.timing import takeover_after
from cronguard.system.host import Host

ENDS = ["done", "failed", "timed-out", "lost", "cancelled"]
RETRIES = ["never", "crashed", "failed"]
TRIED_AGAIN = {
    "never": set(),
    "crashed": {"lost", "cancelled"},
    "failed": {"lost", "cancelled", "failed", "timed-out"},
}
HERE = {"node": "web1", "boot": "boot-1"}


def test_a_job_that_never_ran_may_be_claimed():
    assert decide(None, ask(), 0.0) == Claim(1)


@pytest.mark.parametrize("retry", RETRIES)
@pytest.mark.parametrize("state", ENDS)
@pytest.mark.parametrize("attempt", [1, 2, 3, 4])
def test_a_later_tick_is_claimed_however_the_earlier_one_ended(state, retry, attempt):
    before = ended(state, tick=EARLIER, attempt=attempt)
    assert decide(before, ask(retry=retry), 0.0) == Claim(1)


@pytest.mark.parametrize("retry", RETRIES)
@pytest.mark.parametrize("state", ENDS)
@pytest.mark.parametrize("attempt", [1, 2, 3, 4])
def test_the_same_tick_is_tried_again_only_as_retry_allows_and_three_times_at_most(state, retry, attempt):
    verdict = decide(ended(state, attempt=attempt), ask(retry=retry), 1e9)
    if state in TRIED_AGAIN[retry] and attempt < 3:
        assert verdict == Claim(attempt + 1)
    else:
        assert (verdict.reason, verdict.is_final) == ("already-ran", True)
        assert verdict.detail.startswith(f"web2 ran tick 2026-11-22T05:30Z: {state}")


@pytest.mark.parametrize("retry", RETRIES)
@pytest.mark.parametrize("state", [*ENDS, "running", "revoked"])
def test_a_claim_for_an_older_tick_is_superseded(state, retry):
    later = record(
        state=state, tick=LATER, **({} if state in ("running", "revoked") else {"ended_boot": 5.0})
    )
    verdict = decide(later, ask(retry=retry), 1e9)
    assert (verdict.reason, verdict.is_final) == ("superseded", True)
    assert LATER.label in verdict.detail and TICK.label in verdict.detail


@pytest.mark.parametrize("asked", [TICK, LATER])
def test_an_old_tick_run_by_hand_does_not_make_later_ticks_claimable_again(asked):
    by_hand = ended(tick=EARLIER, latest=LATER)
    assert decide(by_hand, ask(tick=asked), 0.0).reason == "superseded"


def test_after_an_old_tick_run_by_hand_the_next_one_runs():
    by_hand = ended(tick=EARLIER, latest=TICK)
    assert decide(by_hand, ask(tick=LATER), 0.0) == Claim(1)


@pytest.mark.parametrize("state", ENDS)
@pytest.mark.parametrize("retry", RETRIES)
@pytest.mark.parametrize("tick", [TICK, EARLIER])
def test_a_person_may_run_the_line_again_by_hand_on_the_node_that_ran_it(state, retry, tick):
    here = ended(state, **HERE, ended_boot=900.0, attempt=3)
    assert decide(here, ask(retry=retry, tick=tick, started=900.5), 0.0) == Claim(1)


@pytest.mark.parametrize("changes", [
    {"node": "web2"}, {"boot": "boot-0"}, {"ended_boot": 999.0}, {"ended_boot": 1500.0}, {"ended_boot": None},
])  # fmt: skip
def test_by_hand_means_on_this_node_in_this_boot_and_started_after_that_run_ended(changes):
    assert decide(ended(**{**HERE, "ended_boot": 900.0, **changes}), ask(), 0.0).reason == "already-ran"


@pytest.mark.parametrize("state", ["running", "revoked"])
@pytest.mark.parametrize("tick", [EARLIER, TICK, LATER])
def test_a_run_that_is_still_going_is_not_repeated_by_hand(state, tick):
    here = record(state=state, **HERE, ended_boot=900.0)
    assert not isinstance(decide(here, ask(tick=tick), 0.0), Claim)
    if tick <= TICK:
        assert not isinstance(decide(here, ask(tick=tick, retry="never"), 1e9), Claim)


@pytest.mark.parametrize("state", ENDS)
@pytest.mark.parametrize("tick", [EARLIER, TICK, LATER])
def test_every_run_ignores_ticks(state, tick):
    assert decide(ended(state, attempt=3), ask(every_run=True, retry="never", tick=tick), 0.0) == Claim(1)


@pytest.mark.parametrize("state", ["running", "revoked"])
@pytest.mark.parametrize(("asking", "attempt"), [
    ({"tick": LATER}, 1), ({"tick": LATER, "retry": "never"}, 1), ({}, 2), ({"retry": "failed"}, 2),
    ({"every_run": True}, 1), ({"every_run": True, "tick": EARLIER}, 1),
])  # fmt: skip
def test_a_running_lease_is_taken_over_only_after_this_node_watched_it_for_its_ttl_and_margin(
    state, asking, attempt
):
    running = record(state=state)
    for seen in (0.0, 1.0, TTL, TAKEOVER - 0.001):
        assert decide(running, ask(**asking), seen) == Watch(TAKEOVER - seen)
    for seen in (TAKEOVER, 1e9):
        assert decide(running, ask(**asking), seen) == Claim(attempt)


def test_the_holders_ttl_counts_not_that_of_the_requesting_run():
    assert decide(record(ttl=600.0, tick=EARLIER), ask(), 605.9) == Watch(pytest.approx(0.1))


@pytest.mark.parametrize(("attempt", "retry"), [(3, "crashed"), (1, "never"), (2, "never")])
def test_a_crashed_run_of_this_tick_is_not_tried_again_against_the_rules(attempt, retry):
    verdict = decide(record(attempt=attempt), ask(retry=retry), 1e9)
    assert (verdict.reason, verdict.is_final) == ("held", False)


def test_a_run_that_skips_a_held_lease_reports_the_holder():
    told = held(record())
    assert (
        told.reason == "held" and "web2" in told.detail and "22" in told.detail and TICK.label in told.detail
    )


@pytest.mark.parametrize(("age", "renewed_ago", "is_abandoned"), [
    (TAKEOVER, 0, False), (TAKEOVER + 0.1, 0, True), (None, TAKEOVER, False), (None, TAKEOVER + 0.1, True), (0.0, 1e6, False),
])  # fmt: skip
def test_a_lease_looks_abandoned_by_its_age_in_the_store_or_by_its_own_time_of_renewal(
    age, renewed_ago, is_abandoned
):
    clock = FakeClock()
    holder = record(renewed=clock.wall() - renewed_ago)
    assert looks_abandoned(holder, age, clock) is is_abandoned


ticks = st.sampled_from([EARLIER, TICK, LATER])


def records(states):
    return st.builds(
        record,
        state=st.sampled_from(states),
        tick=ticks,
        latest=ticks,
        attempt=st.integers(1, 5),
        node=st.sampled_from(["web1", "web2"]),
        boot=st.sampled_from(["boot-1", "boot-2"]),
        ended_boot=st.none() | st.floats(0, 2000),
        ttl=st.floats(5, 1e6),
    )


any_record = records([*ENDS, "running", "revoked"])
asks = st.builds(
    ask,
    tick=ticks,
    retry=st.sampled_from(RETRIES),
    every_run=st.booleans(),
    wait=st.floats(0, 1e6),
    started=st.floats(0, 2000),
)


@pytest.mark.parametrize(
    ("boot", "claims"),
    [
        ("boot-1/pid:[7]@9", True),
        ("boot-1/pid:[7]@8", False),  # the kernel has used the number again
        ("boot-1/pid:[6]@9", False),
        ("boot-1", False),  # the machine itself, or a container of an earlier version
    ],
)
def test_a_run_by_hand_is_one_in_the_same_container(boot, claims):
    here = ended(node="web1", boot=boot)
    asking = ask(host=Host("m1", "pid:[7]@9"))
    assert isinstance(decide(here, asking, 0.0), Claim) == claims
    assert first_record(asking, None, 1, 0.0).boot == "boot-1/pid:[7]@9"


def test_a_record_of_an_earlier_version_counts_for_a_run_by_hand_on_the_machine_itself():
    assert isinstance(decide(ended(node="web1", boot="boot-1"), ask(host=Host("m1")), 0.0), Claim)


@given(records(["running", "revoked"]), asks, st.floats(0, 1e7))
def test_a_running_lease_is_never_claimed_before_it_was_watched_for_its_ttl_and_margin(known, asking, seen):
    if isinstance(decide(known, asking, seen), Claim):
        assert seen >= takeover_after(known.ttl)


@given(records(["done"]), asks, st.floats(0, 1e7))
def test_a_tick_that_was_done_is_claimed_again_only_by_hand_or_with_every_run(known, asking, seen):
    assume(not asking.every_run and asking.tick <= known.latest)
    verdict = decide(known, asking, seen)
    by_hand = (known.node, known.boot) == (asking.node, asking.boot) and known.ended_boot is not None
    assert isinstance(verdict, Skip) or (by_hand and asking.started > known.ended_boot)


@given(any_record, asks, st.floats(0, 1e7))
def test_no_tick_is_tried_more_than_three_times(known, asking, seen):
    verdict = decide(known, asking, seen)
    assert not isinstance(verdict, Claim) or verdict.attempt <= 3


@given(any_record, asks)
def test_a_watched_lease_may_be_taken_over_when_the_watching_time_has_passed(known, asking):
    verdict = decide(known, asking, 0.0)
    if isinstance(verdict, Watch):
        assert isinstance(decide(known, asking, takeover_after(known.ttl)), Claim)
