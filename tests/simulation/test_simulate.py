"""`cronguard.simulation`: its runs keep the lease's promises, and it shows what each strategy does."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronguard.config.settings import Settings
from cronguard.model.tick import Tick
from cronguard.schedule.schedule import Schedule
from cronguard.simulation import virtual_time
from cronguard.simulation.outcome import late, outcome
from cronguard.simulation.scenario import KINDS, Failure, Scenario, node_names
from cronguard.simulation.virtual_time import Thread, VirtualTime
from cronguard.system.errors import UsageError

START = Tick.parse("2026-01-01T00:00Z")
NODES = ("web1", "web2", "web3", "web4")


def scenario(strategy="preempt", nodes=2, fail=(), schedule="*/5 * * * *", **more):
    """Return a scenario with a job that runs every five minutes for an hour, on web1, web2, ..."""
    chosen = {key: more.pop(key) for key in list(more) if key in Settings._fields}
    line = Settings(
        strategy=strategy, nodes=NODES[:nodes], backend="memory:", schedule=schedule, timezone="UTC", **chosen
    )
    failures = tuple(Failure.parse(text, line.nodes) for text in fail)
    return Scenario(line, Schedule.parse(schedule, "UTC"), START, failures=failures, **more)


def shown(found):
    """Return a word for each run: its node's number, followed by its state unless it is done."""
    return " ".join(
        (run.node[3:] if run.state == "done" else f"{run.node[3:]}{run.state}") for run in found.runs
    )


def of(*args, **more):
    return shown(outcome(scenario(*args, **more)))


def delays(found):
    return [round(late(run)) for run in found.runs if run.node]


ORDINARY = st.sampled_from(["preempt", "standby", "round-robin", "covered"])
MOMENTS = st.integers(0, 1800).map(float)


@st.composite
def scenarios(draw, strategy=ORDINARY, spared=()):
    name = draw(strategy)
    nodes = draw(st.integers(2, 4))
    hit = [node for node in NODES[:nodes] if node not in spared]
    failures = draw(
        st.lists(
            st.tuples(st.sampled_from(KINDS), st.sampled_from(hit), MOMENTS, MOMENTS | st.just(inf)),
            max_size=5,
        )
    )
    return scenario(
        "time-slice" if name in ("covered", "slices") else name,
        nodes,
        cover=name == "covered",
        strict=name == "round-robin" and draw(st.booleans()) and not spared,
        length=1800.0,
        duration=draw(st.sampled_from([1.0, 40.0, 120.0] if spared else [1.0, 120.0, 700.0])),
        ttl=draw(st.sampled_from([10.0, 60.0])),
        wait=draw(st.sampled_from([0.0, 90.0])),
        retry=draw(st.sampled_from(["never", "crashed", "failed"])),
        every=draw(st.sampled_from([None, 60.0])),
        failback_after=draw(st.sampled_from([0.0, 300.0])),
        seed=draw(st.integers(0, 3)),
    )._replace(failures=tuple(Failure(kind, node, at, at + length) for kind, node, at, length in failures))


def spans(found, wanted):
    """Yield from when until when each command ran; a crash ended it together with its machine."""
    for run in found.runs:
        if run.node:
            begin = run.started - START.epoch
            deaths = [f.begin for f in wanted.failures if (f.kind, f.node) == ("dead", run.node)]
            crash = min((at for at in deaths if at >= begin), default=inf)
            yield begin, crash if run.ended is None else run.ended - START.epoch


@settings(max_examples=30, deadline=None)
@given(scenarios(st.sampled_from(["preempt", "standby", "round-robin", "covered", "slices"])))
def test_no_two_runs_overlap_whatever_fails(wanted):
    found = outcome(wanted)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(sorted(spans(found, wanted))))
    assert max((run.attempt for run in found.runs), default=1) <= 3


def test_an_overlap_would_be_detected(monkeypatch):
    monkeypatch.setattr("cronguard.lease.claim.takeover_after", lambda ttl: 1.0)
    wanted = scenario(duration=240.0, wait=120.0, late=0.0, fail=["cut:web1@30+3m"])
    (_, end), (begin, _) = sorted(spans(outcome(wanted), wanted))[:2]
    assert begin < end


@settings(max_examples=30, deadline=None)
@given(scenarios(spared=("web2",)))
def test_every_tick_is_run_while_one_node_works(wanted):
    found = outcome(wanted)
    assert found.summary()["missed"] == found.summary()["overrun"] == 0, shown(found)


@settings(max_examples=5, deadline=None)
@given(scenarios())
def test_the_same_scenario_takes_the_same_course(wanted):
    assert outcome(wanted) == outcome(wanted)


def test_another_seed_gives_other_delays_and_without_delays_the_first_node_wins():
    assert outcome(scenario()) != outcome(scenario(seed=1))
    assert of(late=0.0) == " ".join("1" * 12)


def test_a_standby_runs_after_a_head_start_while_its_primary_is_dead():
    found = outcome(scenario("standby", fail=["web1@10m+20m"]))
    assert shown(found) == "1 1 2 2 2 2 1 1 1 1 1 1"
    assert {delay for delay in delays(found) if delay > 2} <= {15, 16}


def test_a_standby_whose_heartbeat_knows_that_the_primary_is_dead_does_not_wait():
    found = outcome(scenario("standby", fail=["web1@10m+28m"], every=60.0))
    assert shown(found) == "1 1 2 2 2 2 2 2 1 1 1 1"
    assert [delay > 10 for delay in delays(found)] == [False, False, True] + [False] * 9


def test_the_primary_must_be_back_for_the_failback_time():
    found = of("standby", fail=["web1@10m+10m"], every=60.0, failback_after=800.0)
    assert found == "1 1 2 2 2 2 2 1 1 1 1 1"


def test_a_primary_with_a_dead_cron_costs_a_head_start_for_as_long_as_it_sends_heartbeats():
    found = outcome(scenario("standby", fail=["cron:web1@10m+20m"], every=60.0))
    assert shown(found) == "1 1 2 2 2 2 1 1 1 1 1 1"
    assert [delay > 10 for delay in delays(found)] == [False] * 2 + [True] * 4 + [False] * 6


def test_a_round_robin_continues_without_a_dead_node_and_a_strict_one_waits_three_ticks():
    assert of("round-robin", 3, late=0.0, fail=["web2@12m"]) == "1 1 2 3 1 3 1 3 1 3 1 3"
    strict = of("round-robin", 3, late=0.0, strict=True, fail=["web2@12m"])
    assert strict == "1 1 2 3 1 missed missed missed 3 1 3 1"


def test_the_slices_of_a_dead_node_are_missed_or_covered_by_the_next_node():
    ordinary = of("time-slice", 3).split()
    assert ordinary[0] in "123" and all(ordinary[n] == ordinary[n + 3] for n in range(9))
    bare = of("time-slice", 3, fail=["web2@0"]).split()
    assert bare == ["missed" if node == "2" else node for node in ordinary]
    covered = of("time-slice", 3, cover=True, fail=["web2@0"]).split()
    assert covered == ["3" if node == "2" else node for node in ordinary]


def test_a_crashed_run_is_taken_over_after_the_ttl_unless_it_may_not_be_retried():
    wanted = {"duration": 120.0, "fail": ["web1@1m+3m"], "late": 0.0, "wait": 240.0}
    found = outcome(scenario(**wanted))
    assert shown(found).startswith("1crashed 2 1 ")
    assert delays(found)[:2] == [0, 232] and found.summary()["retried"] == 1  # the last beat was at 50 s
    assert of(**wanted, retry="never").startswith("1crashed 1 ")


def test_a_cut_off_run_is_lost_or_is_done_twice_if_its_command_had_ended():
    lost = of(duration=240.0, late=0.0, fail=["cut:web1@1m+8m"])
    assert lost.startswith(
        "1lost 2 overrun 1 "
    )  # the second run watched the lease for the ttl before it started
    found = outcome(scenario(duration=90.0, late=0.0, wait=240.0, fail=["cut:web1@1m+10m"]))
    assert shown(found).startswith("1 2 2 2 1 ") and found.unwritten == 1
    assert found.summary()["done_twice"] == 1 and found.skips["unavailable"] == 2


def test_a_paused_node_runs_nothing_and_is_not_waited_for():
    found = outcome(scenario("standby", fail=["paused:web1@10m+10m"]))
    assert shown(found) == "1 1 2 2 1 1 1 1 1 1 1 1" and max(delays(found)) <= 1
    assert found.skips["paused"] >= 1


def test_a_failing_command_is_retried_if_requested():
    fail = ["job:web1@0+3m"]
    assert of(late=0.0, wait=60.0, retry="failed", fail=fail).startswith("1failed 2 1 ")
    assert of(late=0.0, wait=60.0, fail=fail).startswith("1failed 1 ")


def test_a_tick_that_comes_while_the_job_runs_is_overrun():
    assert of(duration=360.0, late=0.0).startswith("1 overrun 1 overrun")


def test_runs_wait_in_a_fair_queue():
    wanted = scenario(nodes=4, every_run=True, fair=True, wait=240.0, length=300.0, late=50.0, duration=20.0)
    found = outcome(wanted)
    assert sorted(run.node for run in found.runs) == list(NODES)
    assert found.skips == {}


@pytest.mark.parametrize(("text", "failure"), [
    ("web1@10m", Failure("dead", "web1", 600.0)),
    ("web1@10m+90", Failure("dead", "web1", 600.0, 690.0)),
    ("cut:web2@0+1h", Failure("cut", "web2", 0.0, 3600.0)),
])  # fmt: skip
def test_a_failure_is_parsed(text, failure):
    assert Failure.parse(text, NODES) == failure


@pytest.mark.parametrize("text", [
    "", "web1", "web1@", "@10m", "web1@10m+", "web1@x", "web9@10m", "boom:web1@10m", ":web1@10m", "cut:web1", "web1@-5",
])  # fmt: skip
def test_an_invalid_failure_is_refused(text):
    with pytest.raises(UsageError) as refusal:
        Failure.parse(text, NODES)
    assert str(refusal.value).startswith("--fail: ") and refusal.value.hint


def test_nodes_may_be_given_as_a_number():
    assert node_names(("3",)) == ("node1", "node2", "node3")
    assert node_names(("a", "b")) == ("a", "b")
    for wrong in (("0",), ("101",)):
        with pytest.raises(UsageError):
            node_names(wrong)


def test_a_simulation_that_would_take_too_long_is_refused():
    with pytest.raises(UsageError, match="--length"):
        outcome(scenario(nodes=4, schedule="* * * * *", length=30 * 86400.0))


@pytest.mark.parametrize("more", [
    {"duration": 366 * 86400.0},
    {"every": 1.0, "failback_after": 366 * 86400.0},
    {"every": 1.0, "duration": 366 * 86400.0},
    {"wait": 366 * 86400.0, "duration": 10 * 86400.0, "schedule": "* * * * *"},
])  # fmt: skip
def test_a_simulation_that_would_never_end_is_refused(monkeypatch, more):
    monkeypatch.setattr(virtual_time, "_MOST_STEPS", 500)
    with pytest.raises(UsageError, match="too long"):
        outcome(scenario(**more))


def test_a_start_near_the_end_of_time_is_refused():
    with pytest.raises(UsageError, match="--start"):
        outcome(scenario()._replace(start=Tick.parse("9999-12-31T23:59Z")))


def test_a_thread_that_fails_ends_the_simulation():
    time = VirtualTime(0.0)
    Thread(time, lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        time.run()
