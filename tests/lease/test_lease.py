import itertools

import pytest
from fakes import (
    EARLIER,
    JOB,
    LATER,
    RUN_FOR,
    TAKEOVER,
    TICK,
    TTL,
    Once,
    advised,
    ask,
    ended,
    fail,
    lease,
    record,
)

from cronguard.lease.claim import Skip
from cronguard.lease.grant import Grant, Lost
from cronguard.model.record import forgotten
from cronguard.system.errors import BackendError, ConfigError, StoreRefusedError
from cronguard.turns.turn import Turn

AHEAD = int((TICK.epoch + 60) * 1_000_000)  # a token from a node whose clock is ahead

# Claiming


def test_the_first_token_of_a_job_is_the_clock_in_microseconds(store, clock):
    grant = lease(store).acquire()
    assert grant == Grant(int(clock.wall() * 1_000_000), 1, clock.boot() + RUN_FOR)


def test_the_record_says_who_holds_the_lease_for_what(store):
    lease(store).acquire()
    found = store.record()
    assert (found.state, found.job, found.run, found.beat) == ("running", "billing/invoices", "run-a", 1)
    assert (found.node, found.boot, found.pid, found.user, found.program) == (
        "web1",
        "boot-1",
        11,
        "app",
        "invoice",
    )
    assert (found.tick, found.latest, found.attempt, found.ttl) == (TICK, TICK, 1, TTL)


@pytest.mark.parametrize("before", [ended(tick=EARLIER, token=AHEAD), ended("lost", token=AHEAD)])
def test_a_claim_has_the_next_token_if_the_last_one_is_ahead_of_the_clock(store, before):
    store.publish(before)
    assert lease(store).acquire().token == AHEAD + 1


def test_a_takeover_has_the_token_after_that_of_the_crashed_run(store):
    store.publish(record(token=AHEAD, tick=EARLIER))
    assert lease(store, wait=60.0).acquire().token == AHEAD + 1


def test_a_claim_on_an_old_record_has_a_higher_token_than_those_issued_elsewhere_meanwhile(store, clock):
    """The job was moved to another store and back, or this store has forgotten the last claims."""
    elsewhere = int(clock.wall() * 1_000_000) - 1
    store.publish(ended(tick=EARLIER, token=41))
    assert lease(store).acquire().token > elsewhere


def test_a_crashed_run_is_in_the_history_of_the_run_that_took_over(store):
    store.publish(record(history=({"tick": "x"},)))
    lease(store, wait=60.0).acquire()
    older, crashed = store.record().history
    assert (older, crashed["state"], crashed["node"], crashed["token"]) == (
        {"tick": "x"},
        "crashed",
        "web2",
        7,
    )


def test_a_claim_keeps_the_time_of_the_last_success(store):
    store.publish(ended("failed", tick=EARLIER, succeeded=77.0))
    lease(store).acquire()
    assert store.record().succeeded == 77.0


def test_a_claim_keeps_the_history_and_fields_that_only_newer_versions_know(store):
    store.publish(ended(tick=EARLIER, history=({"tick": "x"},), unknown=(("colour", "red"),)))
    lease(store).acquire()
    assert (store.record().history, store.record().unknown) == (({"tick": "x"},), (("colour", "red"),))


def test_an_old_tick_run_by_hand_does_not_reset_the_latest_one(store):
    store.publish(ended(tick=LATER, node="web1", boot="boot-1", ended_boot=900.0))
    lease(store).acquire()
    assert (store.record().tick, store.record().latest) == (TICK, LATER)


def test_a_second_run_skips_at_once_and_writes_nothing(store):
    lease(store).acquire()
    store.writes = 0
    answer = lease(store, run="run-c", node="web3").acquire()
    assert (answer.reason, store.writes, store.waits) == ("held", 0, 0)


def test_a_run_that_comes_after_the_end_skips_and_writes_nothing(store):
    store.publish(ended())
    assert lease(store).acquire().reason == "already-ran"
    assert (store.writes, store.waits) == (0, 0)


def test_a_run_that_is_overtaken_between_reading_and_claiming_does_not_run(store):
    store.during_swap = Once(lambda: store.publish(record()))
    assert lease(store).acquire().reason == "held"
    assert store.record() == record()


def test_after_skipping_nothing_is_held(store):
    store.publish(ended())
    skipping = lease(store)
    assert isinstance(skipping.acquire(), Skip)
    assert not skipping.is_held and store.record() == ended()


# The deadline


def test_the_deadline_counts_from_the_moment_the_claim_was_sent(store, clock):
    sent = clock.boot()
    store.during_swap = lambda: clock.advance(3)
    store.after_swap = lambda published: (clock.advance(4), published)[1]
    assert lease(store).acquire().deadline == sent + RUN_FOR


def test_the_command_must_be_gone_before_anyone_may_take_over(store, clock):
    asking = ask()
    sent = clock.boot()
    deadline = lease(store, asking=asking).acquire().deadline
    assert deadline + asking.timing.kill_after < sent + TTL < sent + TAKEOVER


def test_a_renewal_extends_the_deadline_from_the_moment_it_was_sent(store, clock):
    holder = lease(store)
    holder.acquire()
    clock.advance(7)
    sent = clock.boot()
    store.during_swap = lambda: clock.advance(2)
    renewed = holder.renew()
    assert renewed.deadline == sent + RUN_FOR
    assert (store.record().beat, store.record().renewed) == (2, clock.wall() - 2)


def test_a_renewal_keeps_token_and_attempt(store):
    holder = lease(store)
    grant = holder.acquire()
    assert holder.renew()[:2] == grant[:2]


@pytest.mark.parametrize("where", ["during_swap", "after_swap"])
def test_a_renewal_that_finishes_at_the_old_deadline_does_not_count(store, clock, where):
    holder = lease(store)
    grant = holder.acquire()
    clock.advance(7)

    def slowly(*args):
        clock.advance(grant.deadline - clock.boot())
        return args[0] if args else None

    setattr(store, where, slowly)
    assert holder.renew().reason == "late"


def test_a_renewal_that_finishes_just_before_the_old_deadline_counts(store, clock):
    holder = lease(store)
    grant = holder.acquire()
    store.during_swap = lambda: clock.advance(RUN_FOR - 0.5)
    assert holder.renew() == grant


def test_there_is_no_resurrection_after_the_deadline(store, clock):
    holder = lease(store)
    holder.acquire()
    clock.advance(RUN_FOR)
    assert holder.renew().reason == "late"


# Lost replies


def lose(published):
    fail()


def deny(published):
    return None


@pytest.mark.parametrize("reply", [lose, deny])
def test_a_claim_whose_reply_was_lost_is_recognised(store, clock, reply):
    store.after_swap = Once(reply, lambda published: published)
    grant = lease(store).acquire()
    assert isinstance(grant, Grant) and store.record().run == "run-a"
    assert grant.deadline <= clock.boot() + RUN_FOR


@pytest.mark.parametrize("reply", [lose, deny])
def test_a_renewal_whose_reply_was_lost_is_recognised(store, clock, reply):
    holder = lease(store)
    holder.acquire()
    clock.advance(7)
    store.after_swap = Once(reply, lambda published: published)
    assert holder.renew().deadline == clock.boot() + RUN_FOR
    assert holder.renew().deadline == clock.boot() + RUN_FOR


def test_a_recognised_renewal_still_counts_from_its_first_sending(store, clock):
    holder = lease(store)
    holder.acquire()
    sent = clock.boot()
    store.after_swap = Once(lambda published: (clock.advance(9), fail()))
    assert holder.renew().deadline == sent + RUN_FOR


@pytest.mark.parametrize("meanwhile", ["revoked", "cancelled"])
def test_a_claim_whose_reply_was_lost_and_that_was_unlocked_meanwhile_does_not_run(store, meanwhile):
    def unlock(published):
        before = store.record()
        store.publish(
            before.next_beat(state="revoked")
            if meanwhile == "revoked"
            else before.settled("cancelled", None, 0, None)
        )

    store.after_swap = Once(unlock, lambda published: published)
    answer = lease(store, retry="never").acquire()
    assert isinstance(answer, Skip) and store.record().state == "cancelled"


def test_a_claim_that_took_longer_than_its_deadline_is_not_granted(store, clock):
    store.during_swap = lambda: clock.advance(TTL)
    with pytest.raises(BackendError, match="longer to answer than a ttl of 30s allows"):
        lease(store).acquire()
    assert store.record().state == "cancelled"


def test_a_claim_with_an_unknown_result_is_an_error(store):
    store.during_swap = fail
    with pytest.raises(BackendError):
        lease(store).acquire()
    assert store.record() is None


def test_a_renewal_with_an_unknown_result_leaves_the_deadline_unchanged(store, clock):
    holder = lease(store)
    holder.acquire()
    clock.advance(7)
    store.during_swap = Once(fail)
    with pytest.raises(BackendError):
        holder.renew()
    clock.advance(RUN_FOR - 7)
    assert holder.renew().reason == "late"


def test_a_renewal_after_a_failed_one_counts_while_there_is_time(store, clock):
    holder = lease(store)
    holder.acquire()
    store.during_swap = Once(fail)
    with pytest.raises(BackendError):
        holder.renew()
    clock.advance(2)
    assert holder.renew().deadline == clock.boot() + RUN_FOR


def test_a_claim_whose_reply_was_lost_and_that_another_built_on_is_not_ours(store):
    def overtaken(published):
        store.publish(record(tick=TICK))
        fail()

    store.after_swap = Once(overtaken, lambda published: published)
    with pytest.raises(BackendError):
        lease(store).acquire()


def refuse():
    raise StoreRefusedError("foreign")


@pytest.mark.parametrize("call", ["acquire", "renew", "settle"])
def test_a_refusal_of_the_store_is_not_retried(store, call):
    holder = lease(store)
    if call != "acquire":
        holder.acquire()
    store.writes, store.waits, store.during_swap = 0, 0, refuse
    with pytest.raises(StoreRefusedError):
        holder.settle("done", 0, 1e9) if call == "settle" else getattr(holder, call)()
    assert (store.writes, store.waits) == (1, 0)


@pytest.mark.parametrize("data", [b"\0", b'{"format":2}'])
def test_an_unreadable_record_is_neither_believed_nor_overwritten(store, data):
    store.inner.swap(store.inner.read(JOB.key), data)
    with pytest.raises(StoreRefusedError):
        lease(store, every_run=True, wait=300.0).acquire()
    assert store.inner.read(JOB.key).data == data


# Losing


def test_a_holder_finds_out_that_another_took_over(store):
    holder = lease(store)
    holder.acquire()
    store.publish(record(token=8))
    assert holder.renew() == Lost("taken", "web2 holds the lease now (pid 22, token 8)")


@pytest.mark.parametrize(("left", "detail"), [
    (ended("failed"), "web2 has run the job since, for tick 2026-11-22T05:30Z: failed (token 7)"),
    (ended(run="run-a"), "the run has already ended: done"),
    (ended("cancelled", run="run-a", ended_boot=None), "an administrator has unlocked the job"),
    (forgotten(ended()), "an administrator has made the store forget the job"),
    (None, "the lease's entry has disappeared from the store"),
])  # fmt: skip
def test_a_holder_is_told_truly_how_it_lost_its_lease(store, left, detail):
    holder = lease(store)
    holder.acquire()
    store.publish(left)
    assert holder.renew().detail == detail


def test_a_holder_finds_out_that_it_was_revoked(store):
    holder = lease(store)
    holder.acquire()
    store.publish(store.record().next_beat(state="revoked"))
    assert holder.renew().reason == "revoked"


def test_a_holder_finds_out_that_the_entry_has_disappeared(store):
    holder = lease(store)
    holder.acquire()
    store.inner._latest.clear()
    assert holder.renew().reason == "gone"


def test_a_lost_lease_is_not_written_again(store):
    holder = lease(store)
    holder.acquire()
    store.publish(record(token=8))
    holder.renew()
    assert holder.settle("lost", 143, 0.0) is False
    assert store.record() == record(token=8)


# Settling


def test_settling_records_the_outcome_and_releases_the_lease(store, clock):
    holder = lease(store)
    holder.acquire()
    clock.advance(5)
    assert holder.settle("failed", 3, clock.boot()) is True
    over = store.record()
    assert (over.state, over.status, over.ended, over.ended_boot) == ("failed", 3, clock.wall(), clock.boot())
    assert over.history[-1]["status"] == 3
    assert isinstance(lease(store, tick=LATER, node="web3").acquire(), Grant)


@pytest.mark.parametrize("reply", [lose, deny])
def test_settling_whose_reply_was_lost_happens_once(store, clock, reply):
    holder = lease(store)
    holder.acquire()
    store.after_swap = Once(reply, lambda published: published)
    assert holder.settle("done", 0, clock.boot() + 5) is True
    assert len(store.record().history) == 1


def test_settling_twice_is_settling_once(store, clock):
    holder = lease(store)
    holder.acquire()
    assert [holder.settle("done", 0, clock.boot()) for _ in range(2)] == [True, True]
    assert len(store.record().history) == 1


def test_settling_does_not_remove_a_successor(store, clock):
    holder = lease(store)
    holder.acquire()
    store.publish(record(token=8))
    assert holder.settle("done", 0, clock.boot()) is False
    assert store.record() == record(token=8)


def test_settling_does_not_restore_an_entry_that_has_disappeared(store, clock):
    holder = lease(store)
    holder.acquire()
    store.publish(None)
    assert holder.settle("done", 0, clock.boot()) is False
    assert store.record() is None


def test_settling_is_retried_while_the_backend_is_unreachable(store, clock):
    holder = lease(store)
    holder.acquire()
    store.during_swap = lambda: clock.boot() < 1001.0 and fail()
    assert holder.settle("done", 0, clock.boot() + 60) is True
    assert store.record().state == "done"


def test_settling_is_given_up_at_its_time_limit(store, clock):
    holder = lease(store)
    holder.acquire()
    store.during_swap = fail
    give_up_at = clock.boot() + 10
    with pytest.raises(BackendError):
        holder.settle("done", 0, give_up_at)
    assert give_up_at <= clock.boot() < give_up_at + 1


def test_settling_after_a_renewal_whose_reply_was_lost_settles_that_renewal(store, clock):
    holder = lease(store)
    holder.acquire()
    store.after_swap = Once(lose)
    store.listing = store.inner.read(JOB.key)
    holder.renew()
    assert holder.settle("done", 0, clock.boot()) is True
    assert (store.record().state, store.record().beat) == ("done", 3)


# Waiting


def settle_by_another(store, **outcome):
    return lambda number: number == 3 and store.publish(store.record().settled(wall=0.0, boot=0.0, **outcome))


def test_a_waiting_run_gets_the_lease_when_an_earlier_tick_is_over(store, clock):
    store.publish(record(tick=EARLIER, renewed=clock.wall()))
    store.script = settle_by_another(store, state="done", status=0)
    assert isinstance(lease(store, wait=60.0).acquire(), Grant)


@pytest.mark.parametrize(("outcome", "retry", "gets_it"), [
    ("done", "failed", False), ("failed", "crashed", False), ("failed", "failed", True), ("lost", "crashed", True),
    ("cancelled", "crashed", True), ("cancelled", "never", False),
])  # fmt: skip
def test_a_waiting_run_of_the_same_tick_runs_only_if_the_tick_may_be_retried(
    store, clock, outcome, retry, gets_it
):
    store.publish(record(renewed=clock.wall()))
    store.script = settle_by_another(store, state=outcome, status=1)
    answer = lease(store, wait=60.0, retry=retry).acquire()
    assert isinstance(answer, Grant) is gets_it
    assert not gets_it or answer.attempt == 2


def test_a_waiting_run_does_not_wait_longer_than_its_limit(store, clock):
    store.publish(record(renewed=clock.wall()))
    answer = lease(store, wait=12.0).acquire()
    assert (answer.reason, clock.boot()) == ("waited-out", 1012.0)


def test_a_waiting_run_takes_over_after_the_ttl_and_the_margin_and_not_before(store, clock):
    store.publish(record(renewed=clock.wall()))
    assert isinstance(lease(store, wait=300.0).acquire(), Grant)
    assert clock.boot() == 1000.0 + TAKEOVER
    assert (store.record().run, store.record().attempt) == ("run-a", 2)


def test_a_holder_that_renews_is_never_taken_over(store, clock):
    store.publish(record(renewed=clock.wall()))
    store.script = lambda number: number % 5 == 0 and store.publish(store.record().next_beat())
    assert lease(store, wait=3600.0).acquire().reason == "waited-out"
    assert store.record().run == "run-b"


def test_a_renewal_at_the_last_moment_defeats_the_takeover(store, clock):
    store.publish(record(renewed=clock.wall()))
    store.during_swap = Once(lambda: store.publish(store.record().next_beat()))
    assert lease(store, wait=TAKEOVER + 5).acquire().reason == "waited-out"
    assert (store.record().run, store.record().beat) == ("run-b", 2)


@pytest.mark.parametrize("age", [1e6, 0.0])
def test_a_lease_expires_only_by_watching_and_by_no_other_clock(store, clock, age):
    store.publish(record(renewed=clock.wall() - age, started=clock.wall() - age))
    store.time = lambda: clock.wall() + 200  # the store's clock is ahead, within its bounds
    lease(store, wait=300.0).acquire()
    assert clock.boot() == 1000.0 + TAKEOVER


def test_a_lease_that_looks_abandoned_is_watched_even_by_a_run_that_does_not_wait(store, clock):
    store.publish(record(tick=EARLIER))
    clock.advance(TAKEOVER + 1)
    began = clock.boot()
    assert isinstance(lease(store).acquire(), Grant)
    assert clock.boot() == began + TAKEOVER


def test_a_job_that_runs_every_minute_takes_over_by_what_its_node_has_seen_before(store, clock, state):
    store.publish(record(tick=EARLIER, ttl=90.0))
    assert lease(store, state).acquire().reason == "held"
    clock.advance(60)
    assert lease(store, state, tick=LATER).acquire().reason == "held"
    clock.advance(60)
    began = clock.boot()
    assert isinstance(lease(store, state, tick=LATER).acquire(), Grant)
    assert clock.boot() == began


def test_a_run_that_gives_a_head_start_claims_after_it(store, clock):
    assert isinstance(lease(store, advise=advised(15.0)).acquire(), Grant)
    assert clock.boot() == 1015.0


def test_a_run_that_gives_a_head_start_skips_when_it_was_used(store, clock):
    store.script = lambda number: number == 2 and store.publish(record())
    assert lease(store, advise=advised(15.0)).acquire().reason == "held"


def test_a_revoked_lease_may_be_claimed_when_its_holder_has_settled(store, clock):
    store.publish(record(state="revoked", renewed=clock.wall()))
    store.script = settle_by_another(store, state="cancelled", status=143)
    assert isinstance(lease(store, wait=60.0).acquire(), Grant)
    assert clock.boot() < 1000.0 + TAKEOVER


# Clocks


@pytest.mark.parametrize("skew", [301, -301, 86400, -86400])
def test_a_node_whose_clock_is_out_of_bounds_claims_nothing_and_reports_both_times(store, clock, skew):
    store.time = lambda: clock.wall() - skew
    with pytest.raises(ConfigError, match="max_clock_skew") as refusal:
        lease(store).acquire()
    assert refusal.value.status == 78 and str(refusal.value).count("2026-11-2") == 2
    assert store.record() is None


@pytest.mark.parametrize("skew", [299, -299])
def test_a_clock_within_the_bounds_is_accepted(store, clock, skew):
    store.time = lambda: clock.wall() - skew
    assert isinstance(lease(store).acquire(), Grant)


def test_a_node_whose_clock_is_behind_reports_that_instead_of_being_superseded_for_ever(store, clock):
    store.publish(ended(tick=LATER))
    store.time = lambda: clock.wall() + 301
    with pytest.raises(ConfigError, match="max_clock_skew"):
        lease(store).acquire()


def test_a_node_whose_clock_is_right_is_superseded(store):
    store.publish(ended(tick=LATER))
    assert lease(store).acquire().reason == "superseded"


@pytest.mark.parametrize("changes", [{"max_clock_skew": None}, {"max_clock_skew": 86400.0}])
def test_the_user_may_choose_the_bound(store, clock, changes):
    store.time = lambda: clock.wall() + 7200
    assert isinstance(lease(store, **changes).acquire(), Grant)


def test_a_store_without_a_clock_is_not_checked(store):
    store.time = lambda: None
    assert isinstance(lease(store).acquire(), Grant)


def test_a_takeover_checks_the_clock_too(store, clock):
    store.publish(record(tick=EARLIER))
    store.time = lambda: clock.wall() + 301
    with pytest.raises(ConfigError):
        lease(store, wait=60.0).acquire()


# Stale listings


def stale(store, shown):
    """Show an old record to plain reads; the record that is published next is the current one."""
    store.listing = store.publish(shown)


def test_a_stale_listing_of_an_earlier_run_is_read_again_before_it_is_believed(store):
    stale(store, record(tick=EARLIER))
    store.publish(ended(tick=EARLIER))
    assert isinstance(lease(store).acquire(), Grant)


def test_a_stale_listing_that_hides_a_claim_does_not_grant_another(store):
    stale(store, ended(tick=EARLIER))
    store.publish(record(renewed=store.clock.wall()))
    assert lease(store).acquire().reason == "held"
    assert store.record().run == "run-b"


@pytest.mark.parametrize("shown", [record(), ended(), ended(tick=LATER)])
def test_a_listing_is_sufficient_if_it_shows_this_tick_or_a_later_one(store, shown):
    stale(store, shown)
    assert isinstance(lease(store).acquire(), Skip)
    assert (store.writes, store.waits) == (0, 0)


def test_with_every_run_a_held_lease_is_read_again_before_it_is_believed(store):
    stale(store, record())
    store.publish(ended())
    assert isinstance(lease(store, every_run=True).acquire(), Grant)


def test_an_abandoned_earlier_run_in_a_stale_listing_is_watched_as_it_is_now(store, clock):
    stale(store, record(tick=EARLIER, renewed=clock.wall() - 1e6))
    store.publish(record(tick=EARLIER, beat=9, renewed=clock.wall()))
    assert lease(store).acquire().reason == "held"


# Another keeper of the same run


def test_a_second_keeper_continues_with_the_lease(store, clock):
    grant = lease(store).acquire()
    clock.advance(5)
    resumed = lease(store)
    assert resumed.resume() == Grant(grant.token, grant.attempt, clock.boot() + RUN_FOR)
    assert resumed.settle("done", 0, clock.boot()) is True


@pytest.mark.parametrize(("found", "reason"), [
    (record(), "taken"), (record(run="run-a", state="revoked"), "revoked"), (ended(run="run-a"), "done"), (None, "gone"),
])  # fmt: skip
def test_a_second_keeper_finds_out_that_the_lease_is_lost(store, found, reason):
    lease(store).acquire()
    store.publish(found)
    assert lease(store).resume().reason == reason


def test_a_second_keeper_bypasses_a_stale_listing(store):
    stale(store, ended(tick=EARLIER))
    lease(store).acquire()
    store.is_fresh = False
    assert isinstance(lease(store).resume(), Grant)


def test_a_second_keeper_that_claims_again_finds_the_runs_own_claim(store):
    grant = lease(store).acquire()
    again = lease(store).acquire()
    assert again.token == grant.token and store.record().beat == 2


def test_each_answer_of_the_backend_is_reported(store, clock):
    told = []
    store.publish(record(renewed=clock.wall()))
    waiting = lease(store, wait=20.0)
    waiting._answered = lambda: told.append(clock.boot())
    waiting.acquire()
    gaps = [later - earlier for earlier, later in itertools.pairwise(told)]
    assert max(gaps) <= 5.0


def test_a_recorded_outcome_counts_although_a_successor_has_claimed_since(store, clock):
    holder = lease(store)
    holder.acquire()

    def lose_the_answer(published):
        lease(store, node="web3", tick=LATER).acquire()

    store.after_swap = Once(lose_the_answer)
    assert holder.settle("done", 0, clock.boot())
    assert store.record().node == "web3"


# Turns


def test_a_node_whose_turn_never_comes_skips_a_free_lease(store):
    skip = lease(store, advise=advised(None, "web2 is first")).acquire()
    assert (skip.reason, skip.detail) == ("not-its-turn", "web2 is first")
    assert store.record() is None


def test_the_answer_never_is_not_based_on_a_stale_listing(store):
    """A strict queue that follows an old lease would give the turn to a node that has already had it."""
    store.listing = store.inner.read(JOB.key)
    store.publish(ended(tick=EARLIER))
    asked = []

    def advise(record, verdict):
        asked.append(record)
        return advised(None if record is None else 0.0)(record, verdict)

    fresh = lease(store, advise=advise)
    original = store.wait

    def wait(entry, timeout):
        store.listing = None
        original(entry, timeout)

    store.wait = wait
    assert isinstance(fresh.acquire(), Grant)
    assert asked[0] is None


def test_the_strategy_is_asked_again_while_others_have_their_head_start(store, clock):
    """The node before us goes down in the middle of its head start: we do not have to wait for the rest of it."""
    began = clock.boot()

    def advise(record, verdict):
        return Turn(0.0 if clock.boot() > began + 4 else 60.0, "for the test")

    assert isinstance(lease(store, advise=advise).acquire(), Grant)
    assert clock.boot() < began + 60


def test_a_held_lease_does_not_depend_on_the_strategy(store):
    store.publish(record())
    assert lease(store, advise=advised(None)).acquire().reason == "held"


@pytest.mark.parametrize("found", [record, lambda: forgotten(record(run="run-a"))])
def test_an_outcome_that_was_lost_is_not_reported_as_written(store, clock, found):
    mine = lease(store)
    mine.acquire()
    store.publish(found())
    assert mine.settle("done", 0, clock.boot()) is False


def test_an_outcome_that_was_written_and_built_on_is_reported_as_written(store, clock):
    """The answer was lost, and another run has claimed since: the history of its record has the outcome."""
    mine = lease(store)
    mine.acquire()

    def lose_the_answer(published):
        store.after_swap = lambda published: published
        assert isinstance(lease(store, run="run-c", node="web3", tick=LATER).acquire(), Grant)

    store.after_swap = lose_the_answer
    assert mine.settle("done", 0, clock.boot()) is True
    assert store.record().run == "run-c"


def test_an_outcome_whose_answer_was_lost_is_reported_as_written(store, clock):
    mine = lease(store)
    mine.acquire()
    store.after_swap = Once(lambda published: None, otherwise=lambda published: published)
    assert mine.settle("done", 0, clock.boot()) is True
    assert store.record().state == "done"
