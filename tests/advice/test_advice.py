import pytest
from fakes import EARLIER, JOB, TICK, Once, Store, ask, ended, fail, lease, record

from cronguard.advice.advice import Advice
from cronguard.lease.claim import Claim, Skip, Watch
from cronguard.lease.grant import Grant
from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings
from cronguard.model import beat as beats
from cronguard.model import pauses
from cronguard.model.beat import Beat, Opinion, beat_key
from cronguard.model.pause import Pause
from cronguard.model.pauses import Pauses, pauses_key
from cronguard.model.rotation import decode as decode_queue
from cronguard.model.rotation import queue_key
from cronguard.model.tick import Tick
from cronguard.store.contract import Entry
from cronguard.system.errors import BackendError, ConfigError, StoreRefusedError
from cronguard.system.host import Host
from cronguard.turns.turn import Strategy

FREE, HELD, OVER = Claim(1), Watch(30.0), Skip("already-ran", "")
STANDBY = Strategy("standby", "web1", ("web2", "web1", "web3"))
ROBIN = Strategy("round-robin", "web1")
EVERY = [
    Strategy(me="web1"), STANDBY, ROBIN, Strategy("time-slice", "web1", ("web1", "web2")), Strategy(me="web1", is_fair=True),
]  # fmt: skip
UNTIL_RESUMED = Pause(0.0, None, "books", "root@web2")


def put(store, key, data):
    assert store.inner.swap(store.inner.read(key), data)


def beat(store, node="web1", **facts):
    """Publish a node's entry as its heartbeat would now."""
    known = {"beat": 1, "boot": "boot-1", "at": store.clock.boot(), "sequence": 1, **facts}
    put(store, beat_key(node), beats.encode(Beat(node, **known)))


def advice(store, strategy=Strategy(me="web1"), is_look=False, **asking):  # noqa: B008 - immutable
    return Advice(store, ask(**asking), strategy, store.clock, is_look=is_look)


def start(store, strategy=Strategy(me="web1"), record=None, **asking):  # noqa: B008 - immutable
    return advice(store, strategy, **asking)(record, FREE).head_start


def queue(store):
    return decode_queue(store.inner.read(queue_key(JOB)).data, "here")


def halt(store, ns="billing", **facts):
    put(store, pauses_key(ns), pauses.encode(Pauses(**facts, by="me", sequence=1)))


def test_preemption_reads_two_entries_if_the_lease_is_free_bypassing_caches_and_none_if_it_is_held(store):
    done = []
    read, wait = store.read, store.wait
    store.read = lambda key: done.append(f"read {key}") or read(key)
    store.wait = lambda entry, timeout: done.append(f"wait {entry.key} {timeout:g}") or wait(entry, timeout)
    preempt = advice(store)
    preempt(record(), HELD)
    assert done == []
    assert preempt(None, FREE).head_start == 0
    keys = ("node/cluster/web1", "pause/cluster/billing")
    assert done == [f"{what}" for key in keys for what in (f"wait {key} 0", f"read {key}")]


@pytest.mark.parametrize("strategy", EVERY)
def test_a_paused_node_has_no_turn_in_any_strategy(store, strategy):
    beat(store, pause=Pause(0.0, None, "reboot", "root@web2"))
    turn = advice(store, strategy)(None, FREE)
    assert (turn.head_start, turn.word, turn.reason) == (None, "paused", "web1 is paused: reboot")


def test_an_expired_pause_stops_nothing(store):
    over = Pause(0.0, store.clock.wall() - 1, "", "root@web2")
    beat(store, pause=over)
    halt(store, whole=over, jobs={"invoices": over})
    assert start(store) == 0


@pytest.mark.parametrize("strategy", EVERY)
@pytest.mark.parametrize(("facts", "reason"), [
    ({"whole": UNTIL_RESUMED}, "namespace billing is paused: books"),
    ({"jobs": {"invoices": UNTIL_RESUMED}}, "billing/invoices is paused: books"),
])  # fmt: skip
def test_a_paused_namespace_or_job_has_no_turn_in_any_strategy(store, strategy, facts, reason):
    halt(store, **facts)
    turn = advice(store, strategy)(None, FREE)
    assert (turn.head_start, turn.word, turn.reason) == (None, "paused", reason)
    assert queue(store) is None


def test_other_jobs_and_namespaces_go_on(store):
    halt(store, jobs={"nightly": UNTIL_RESUMED})
    halt(store, "reports", whole=UNTIL_RESUMED)
    assert start(store) == 0


def test_a_pause_counts_although_a_listing_does_not_show_it_yet(store):
    halt(store, whole=UNTIL_RESUMED)
    store.listing, store.is_fresh = Entry("any", 0, b""), False
    assert start(store) is None


def test_a_paused_run_is_skipped_and_its_tick_can_be_claimed_after_the_pause(store):
    halt(store, jobs={"invoices": UNTIL_RESUMED})
    skipped = lease(store, advise=advice(store)).acquire()
    assert (skipped.reason, store.record()) == ("paused", None)
    halt(store)
    assert isinstance(lease(store, advise=advice(store)).acquire(), Grant)


def test_a_pause_during_a_head_start_takes_effect(store):
    store.script = Once(lambda _: halt(store, whole=UNTIL_RESUMED))
    skipped = lease(store, advise=advice(store, STANDBY)).acquire()
    assert (skipped.reason, store.record()) == ("paused", None)


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b'{"format":9,"writer":"cronguard 9"}', b'{"format":1,"jobs":[]}']
)
def test_pauses_that_cannot_be_decoded_let_nothing_start_and_are_reported(store, data):
    """Somebody has paused something there; if we do not know what, that is no reason to run it."""
    put(store, pauses_key("billing"), data)
    with pytest.raises(StoreRefusedError, match="pause/cluster/billing"):
        lease(store, advise=advice(store)).acquire()
    assert store.record() is None


@pytest.mark.parametrize("key", [pauses_key("billing"), beat_key("web1")])
def test_pauses_that_cannot_be_read_for_a_moment_are_read_again(store, key):
    put(store, key, b"")
    read = store.read
    broken = Once(fail, read)
    store.read = lambda asked: broken(asked) if asked == key else read(asked)
    with pytest.raises(BackendError):
        start(store)
    broken = Once(fail, read)
    patient = Lease(
        store, ask(), store.clock, Sightings(None, "m", "b", store.clock), advise=advice(store), patience=20.0
    )
    assert isinstance(patient.acquire(), Grant)


def test_a_node_behind_a_paused_head_and_a_dead_one_waits_only_for_the_dead_one(store):
    strict = ROBIN._replace(is_strict=True)
    for node in ("paused", "dead"):
        start(store, strict._replace(me=node), node=node)
    beat(store, "paused", pause=UNTIL_RESUMED)
    before = ended(tick=EARLIER, token=1)
    for number in range(5):
        turn = start(store, strict, before, tick=Tick(TICK.epoch + 60 * number))
    assert turn == 0 and queue(store).nodes == ("paused", "web1")


def test_without_a_heartbeat_the_others_count_as_up(store):
    assert start(store, STANDBY) == 15


def test_a_node_that_is_down_by_a_fresh_verdict_gets_no_head_start(store):
    down = {"web2": Opinion("down", 0.0, {"beat": "down"})}
    beat(store, opinions=down)
    assert start(store, STANDBY) == 0


@pytest.mark.parametrize("facts", [{"at": 500.0}, {"boot": "boot-0"}, {"at": 2000.0}])
def test_a_verdict_that_is_old_or_from_another_boot_does_not_count(store, facts):
    beat(store, opinions={"web2": Opinion("down", 0.0, {})}, **facts)
    assert start(store, STANDBY) == 15


def test_another_node_that_is_paused_gets_no_head_start(store):
    beat(store, "web2", pause=Pause(0.0, None, "", "root@web2"))
    assert start(store, STANDBY) == 0


def test_a_node_that_came_back_a_moment_ago_gets_no_head_start_either(store):
    beat(store, opinions={"web2": Opinion("up", 0.0, {}, back=store.clock.boot() - 60)})
    assert start(store, STANDBY._replace(failback_after=300.0)) == 0
    assert start(store, STANDBY._replace(failback_after=30.0)) == 15


def test_a_primary_that_was_booted_a_moment_ago_goes_behind_the_others(store):
    primary = STANDBY._replace(nodes=("web1", "web2", "web3"))
    assert start(store, primary._replace(failback_after=2000.0)) == 30
    assert start(store, primary._replace(failback_after=900.0)) == 0


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b'{"format":9,"writer":"cronguard 9"}', b'{"format":1,"sequence":"x"}']
)
@pytest.mark.parametrize(("strategy", "head_start"), [(Strategy(me="web1"), 0), (STANDBY, 15), (ROBIN, 0)])
def test_a_broken_entry_of_any_kind_never_stops_a_run(store, data, strategy, head_start):
    for key in (beat_key("web1"), beat_key("web2"), queue_key(JOB)):
        put(store, key, data)
    assert start(store, strategy) == head_start


def test_a_heartbeat_or_a_queue_that_cannot_be_read_does_not_stop_a_run(store):
    read = store.read
    pauses_of = (pauses_key("billing"), beat_key("web1"))
    store.read = lambda key: read(key) if key in pauses_of else fail()
    assert start(store, STANDBY) == 15
    assert start(store, ROBIN) == 0


def test_the_first_node_is_the_head_of_the_queue_and_the_next_one_is_behind_it(store):
    assert start(store, ROBIN) == 0
    assert start(store, ROBIN._replace(me="web2"), node="web2") == 15
    assert queue(store).nodes == ("web1", "web2")


def test_a_node_that_always_comes_too_late_for_a_short_job_still_joins_the_queue(store):
    """Otherwise the node with the fastest clock would be alone in the queue, as its head, for ever."""
    start(store, ROBIN)
    advice(store, ROBIN._replace(me="web2"), node="web2")(ended(node="web1"), OVER)
    assert queue(store).nodes == ("web1", "web2")


def test_a_paused_node_does_not_join_the_queue(store):
    beat(store, pause=Pause(0.0, None, "", "root@web2"))
    advice(store, ROBIN)(record(), HELD)
    assert queue(store) is None


def test_the_head_goes_to_the_tail_when_it_has_claimed(store):
    for node in ("web1", "web2", "web3"):
        start(store, ROBIN._replace(me=node), node=node)
    after = record(node="web1", token=7)
    starts = [start(store, ROBIN._replace(me=node), after, node=node) for node in ("web1", "web2", "web3")]
    assert starts == [30, 0, 15]
    assert queue(store).nodes == ("web2", "web3", "web1")  # written by web2, before its claim


def test_a_queue_that_cannot_be_written_does_not_stop_a_run(store):
    store.during_swap = fail
    assert start(store, ROBIN) == 0


def test_only_configured_nodes_count(store):
    start(store, ROBIN._replace(me="old"), node="old")
    assert start(store, ROBIN._replace(nodes=("web1", "web2"))) == 0


def test_a_strict_queue_leaves_the_turn_to_its_head_until_that_has_missed_three(store):
    strict = ROBIN._replace(is_strict=True)
    start(store, strict._replace(me="dead"), node="dead")
    lost = 0
    for number in range(10):
        tick = Tick(TICK.epoch + 60 * number)
        before = ended(tick=EARLIER, token=1)
        start(store, strict, before, tick=tick)  # the answer for an old listing; the lease asks again
        if start(store, strict, before, tick=tick) == 0:
            break
        lost += 1
    assert lost == 3


def test_a_dry_run_changes_nothing(store):
    turn = advice(store, ROBIN, is_look=True)(None, FREE)
    assert turn.head_start == 0 and queue(store) is None
    start(store, ROBIN._replace(me="web2"), node="web2")
    assert advice(store, ROBIN, is_look=True)(None, FREE).head_start == 15
    assert store.writes == 1


def test_a_run_waits_for_both_its_place_in_the_line_and_its_strategy(store):
    strategy = STANDBY._replace(is_fair=True)
    advice(store, strategy, run="run-z", wait=5.0)(record(), HELD)
    assert start(store, strategy, wait=5.0) == 15
    assert start(store, strategy, wait=600.0, run="run-y") == 600


def test_a_lease_is_claimed_behind_the_head_after_its_head_start(store, clock):
    start(store, ROBIN._replace(me="dead"), node="dead")
    began = clock.boot()
    assert isinstance(lease(store, advise=advice(store, ROBIN)).acquire(), Grant)
    assert clock.boot() == began + 15


def test_the_fair_line_runs_one_after_another_and_nobody_is_lost(clock):
    store = Store(clock)
    fair = Strategy(me="web1", is_fair=True)
    every = {"every_run": True, "wait": 600.0}
    order = []
    lines = {run: advice(store, fair, run=run, **every) for run in ("run-1", "run-2", "run-3")}
    for one in lines.values():
        one(record(), HELD)
    last = record()
    while lines:
        ready = [run for run, one in lines.items() if one(last, FREE).head_start == 0]
        assert len(ready) == 1
        order += ready
        last = record(run=ready[0])
        del lines[ready[0]]
    assert order == ["run-1", "run-2", "run-3"]


HERE = Host("m1")


def namesake(store, host=HERE, **facts):
    """Publish a heartbeat of this node's name from another machine; it was sent a second ago, and every 60 s."""
    beat(store, **{"machine": "m2", "boot": "boot-9", "wall": store.clock.wall() - 1, "every": 60.0, **facts})
    return lambda: start(store, host=host)


def test_a_run_is_refused_while_another_machine_sends_heartbeats_under_this_nodes_name(store):
    with pytest.raises(
        ConfigError, match="also called web1 and sends heartbeats: m2; this one is m1"
    ) as told:
        namesake(store)()
    assert told.value.status == 78


@pytest.mark.parametrize(
    ("host", "facts"),
    [
        (HERE, {"machine": "m1"}),  # this machine, before it was booted again
        (HERE, {"boot": "boot-1/time:[7]"}),  # a container on this machine, with a machine ID of its own
        (HERE, {"machine": ""}),
        (
            Host("m1", "pid:[7]@9", 990.0),
            {},
        ),  # a container that was started here just now, and elsewhere before
        (Host("m1", "pid:[7]?x", None), {}),
        (Host(), {}),
    ],
)
def test_a_heartbeat_that_may_be_this_machines_or_its_predecessors_refuses_nothing(store, host, facts):
    assert namesake(store, host, **facts)() == 0.0


@pytest.mark.parametrize("age", [71.0, -71.0, 5000.0])
def test_a_machine_whose_heartbeats_have_ended_no_longer_has_the_name(store, age):
    assert namesake(store, wall=store.clock.wall() - age)() == 0.0


def test_a_run_that_would_skip_anyway_is_not_refused(store):
    namesake(store)
    assert advice(store, host=HERE)(ended(), OVER).head_start == 0.0
