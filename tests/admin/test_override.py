import pytest
from fakes import EARLIER, JOB, LATER, TICK, ask, ended, lease, record

from cronguard.admin.override import HeldError, forget, unlock
from cronguard.lease.claim import Claim, decide
from cronguard.lease.grant import Grant, Lost
from cronguard.model.record import decode_last
from cronguard.model.tick import Tick
from cronguard.system.errors import StoreRefusedError, UsageError


def test_unlock_tells_the_holder_to_stop_and_reports_it(store, clock):
    store.publish(record())
    told = unlock(store, JOB, clock, force=False)
    assert (store.record().state, store.record().is_running) == ("revoked", True)
    assert "web2 will stop it (pid 22)" in told and "31s" in told


def test_a_holder_that_is_told_to_stop_stops_and_settles(store, clock):
    holder = lease(store)
    holder.acquire()
    unlock(store, JOB, clock, force=False)
    assert holder.renew() == Lost("revoked", "an administrator has unlocked the job")
    assert holder.settle("cancelled", 143, clock.boot()) is True
    assert (store.record().state, store.record().status) == ("cancelled", 143)


def test_a_revoked_run_is_one_record_with_a_new_identity(store, clock):
    store.publish(record())
    unlock(store, JOB, clock, force=False)
    assert store.record() == record(state="revoked", beat=2)


def test_unlocking_again_says_the_same_and_publishes_nothing(store, clock):
    store.publish(record())
    told = unlock(store, JOB, clock, force=False)
    before = store.inner.read(JOB.key)
    assert unlock(store, JOB, clock, force=False) == told
    assert store.inner.read(JOB.key)[:3] == before[:3]


def test_a_lease_that_is_unlocked_every_minute_is_still_taken_over(store, clock):
    """The holder is dead. Each new version would make the other node start watching anew."""
    store.publish(record(ttl=100.0))
    unlocks = iter(range(0, 3600, 60))
    began, due = clock.boot(), next(unlocks)

    def unlock_each_minute(_number):
        nonlocal due
        while due is not None and clock.boot() - began >= due:
            unlock(store, JOB, clock, force=False)
            due = next(unlocks, None)

    store.script = unlock_each_minute
    assert isinstance(lease(store, wait=3600.0).acquire(), Grant)
    assert due is not None, "it was taken over only after the last unlock"


def test_a_forced_unlock_frees_at_once_and_names_the_risk(store, clock):
    store.publish(record(tick=TICK))
    told = unlock(store, JOB, clock, force=True)
    assert store.record().state == "cancelled"
    assert store.record().history[-1]["state"] == "cancelled"
    assert "two may run at once" in told and "web2" in told
    assert isinstance(lease(store, tick=LATER).acquire(), Grant)


def test_a_holder_whose_lease_was_freed_by_force_has_lost_it(store, clock):
    holder = lease(store)
    holder.acquire()
    unlock(store, JOB, clock, force=True)
    assert isinstance(holder.renew(), Lost)


def test_a_forced_unlock_does_not_turn_a_waiting_run_of_the_tick_into_a_manual_one(store, clock):
    store.publish(record(node="web1", boot="boot-1"))
    contender = ask(retry="never")  # started before, and still waiting
    unlock(store, JOB, clock, force=True)
    assert decide(store.record(), contender, 0.0).reason == "already-ran"


@pytest.mark.parametrize("force", [False, True])
def test_a_job_that_is_not_running_is_left_as_it_is(store, clock, force):
    store.publish(ended())
    assert unlock(store, JOB, clock, force=force) == "billing/invoices is not locked (last: done on web2)"
    assert store.record() == ended()


@pytest.mark.parametrize("force", [False, True])
def test_a_job_that_does_not_exist_is_a_usage_error(store, clock, force):
    with pytest.raises(UsageError, match="billing/invoices: there is no such job") as refusal:
        unlock(store, JOB, clock, force=force)
    assert "cronguard locks --all" in refusal.value.hint
    with pytest.raises(UsageError, match="there is no such job"):
        forget(store, JOB, force=force)


def test_a_forgotten_job_starts_again_with_a_higher_token(store, clock):
    store.publish(ended(token=7))
    assert forget(store, JOB, force=False) == "billing/invoices is forgotten"
    assert store.record() is None
    assert lease(store).acquire().token == int(clock.wall() * 1_000_000)


def test_a_node_whose_clock_is_behind_gets_a_higher_token_after_forget(store, clock):
    highest = lease(store, tick=LATER).acquire().token
    forget(store, JOB, force=True)
    clock.now_wall -= 240.0
    assert lease(store).acquire().token == highest + 1


@pytest.mark.parametrize("retry", ["never", "crashed", "failed"])
@pytest.mark.parametrize("tick", [Tick(0), EARLIER, TICK, LATER])
def test_after_forget_any_tick_is_claimed_as_the_first_attempt(store, tick, retry):
    store.publish(ended(tick=LATER))
    forget(store, JOB, force=False)
    assert lease(store, tick=tick, retry=retry, max_clock_skew=None).acquire().attempt == 1


def test_a_cronguard_without_tombstones_reads_one_as_a_cancelled_run_of_the_earliest_tick(store):
    store.publish(record(history=(ended().outcome(),), succeeded=5.0, unknown=(("colour", "red"),)))
    forget(store, JOB, force=True)
    left = decode_last(store.inner.read(JOB.key).data, "here")
    assert (left.state, left.tick, left.latest, left.history) == ("cancelled", Tick(0), Tick(0), ())
    assert (left.succeeded, left.ended_boot, left.user, left.program, left.unknown) == (
        None,
        None,
        "",
        "",
        (),
    )
    assert left.node == "web2" and left.token == 7
    as_read_there = left._replace(run="any")
    assert decide(as_read_there, ask(retry="never"), 0.0) == Claim(1)


def test_forgetting_a_running_job_names_the_risk(store):
    store.publish(record())
    told = forget(store, JOB, force=True)
    assert "web2 (pid 22)" in told and "two may run at once" in told


def test_a_forgotten_job_cannot_be_forgotten_again(store):
    store.publish(ended())
    forget(store, JOB, force=False)
    before = store.inner.read(JOB.key)
    with pytest.raises(UsageError, match="there is no such job"):
        forget(store, JOB, force=True)
    assert store.inner.read(JOB.key)[:3] == before[:3]


def test_a_running_job_is_not_forgotten(store):
    store.publish(record())
    with pytest.raises(HeldError, match=r"billing/invoices is running on web2 \(pid 22\)") as refusal:
        forget(store, JOB, force=False)
    assert refusal.value.status == 75 and "cronguard unlock billing/invoices" in refusal.value.hint
    assert store.record() == record()


def test_a_running_job_is_forgotten_with_force_and_its_holder_learns_of_it(store):
    holder = lease(store)
    holder.acquire()
    forget(store, JOB, force=True)
    assert holder.renew().reason == "gone"


@pytest.mark.parametrize("change", [unlock, forget])
def test_a_change_that_loses_a_race_is_repeated(store, clock, change):
    store.publish(record())
    overtaken = iter([record(beat=2), record(beat=3)])
    store.during_swap = lambda: (following := next(overtaken, None)) and store.publish(following)
    change(store, JOB, **({"clock": clock} if change is unlock else {}), force=True)
    assert store.record() is None or (store.record().state, store.record().beat) == ("cancelled", 4)


def test_a_change_that_loses_every_race_is_given_up(store, clock):
    store.publish(record())
    store.during_swap = lambda: store.publish(record())
    with pytest.raises(HeldError, match="changes too fast"):
        unlock(store, JOB, clock, force=False)


def test_a_stale_listing_does_not_hide_the_holder(store, clock):
    store.publish(ended())
    store.listing = store.inner.read(JOB.key)
    store.publish(record())
    unlock(store, JOB, clock, force=False)
    assert store.record().state == "revoked"


@pytest.mark.parametrize("force", [False, True])
def test_an_unreadable_record_is_not_overwritten(store, clock, force):
    store.inner.swap(store.inner.read(JOB.key), b"precious")
    for change in (lambda: unlock(store, JOB, clock, force=force), lambda: forget(store, JOB, force=force)):
        with pytest.raises(StoreRefusedError):
            change()
    assert store.inner.read(JOB.key).data == b"precious"


def test_a_forgotten_job_has_no_queue(store):
    store.publish(ended())
    for kind in ("queue", "waiters"):
        store.inner.swap(store.inner.read(f"{kind}/{JOB}"), b"{broken")
    forget(store, JOB, force=False)
    assert [store.inner.read(f"{kind}/{JOB}").data for kind in ("queue", "waiters")] == [b"", b""]


def test_a_forced_unlock_from_a_machine_that_was_booted_a_moment_ago_makes_no_run_a_manual_one(store, clock):
    """The boot time of the administrator's machine says nothing about the holder's."""
    store.publish(record(node="web1", boot="boot-1"))
    contender = ask(retry="never")
    clock.now_boot = 1.0
    unlock(store, JOB, clock, force=True)
    assert store.record().ended_boot is None
    assert decide(store.record(), contender, 0.0).reason == "already-ran"
