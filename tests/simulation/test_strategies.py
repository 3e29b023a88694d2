"""Every strategy under all faults: no overlap, and no tick lost while a node is alive. And each strategy's promises."""

from collections import Counter
from itertools import pairwise

import pytest

from cronguard.turns.turn import Strategy, Turn

from .hearts import DETECTED
from .invariants import history, violations
from .schedule import draw
from .timelines import calm
from .world import World

HEAD_START = (
    8.0  # seconds: five head starts fit into a minute, and it exceeds the calm schedules' clock offsets
)
NODES = tuple(f"node{number}" for number in range(5))
BASE = Strategy(nodes=NODES, head_start=HEAD_START)
STRATEGIES = {
    "standby": BASE._replace(name="standby"),
    "standby that fails back late": BASE._replace(name="standby", failback_after=90.0),
    "round robin": BASE._replace(name="round-robin", nodes=()),
    "time slice with cover": BASE._replace(name="time-slice", is_covered=True),
    "preempt in a fair line": BASE._replace(is_fair=True, nodes=()),
    "round robin in a fair line": BASE._replace(name="round-robin", nodes=(), is_fair=True),
}
LAST = {"strict round robin": BASE._replace(name="round-robin", nodes=(), is_strict=True)}
SCHEDULES = 60


def drawn(seed, strategy):
    """Return a schedule with all faults, whose nodes follow a strategy."""
    schedule = draw(seed)
    names = strategy.nodes and NODES[: len(schedule.nodes)]
    return schedule._replace(strategy=strategy._replace(nodes=names))


def claims(world):
    """Return the first run that claimed each tick, by tick."""
    first = {}
    for run in world.runs:
        if run.grant:
            first.setdefault(run.ask.tick.epoch, run)
    return first


def runners(world):
    return [run.node.name for _, run in sorted(claims(world).items())]


def latency(run):
    return run.answered_at - run.began


@pytest.mark.parametrize("name", [*STRATEGIES, *LAST])
def test_no_schedule_breaks_an_invariant(name):
    strategy = {**STRATEGIES, **LAST}[name]
    for seed in range(SCHEDULES):
        world = World(drawn(seed, strategy)).run()
        assert not violations(world), history(world)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_tick_runs_while_one_node_is_alive(name):
    dead = [(70.0 + number, "die", 0.0, number) for number in (0, 1)]
    world = World(calm(STRATEGIES[name], faults=dead)).run()
    ticks = sorted(claims(world))
    assert all(late - early == 60 for early, late in pairwise(ticks)) and len(ticks) >= 15


def test_the_shares_of_a_round_robin_differ_by_at_most_one_run():
    for count in (2, 3, 5):
        ran = runners(World(calm(STRATEGIES["round robin"], count)).run())
        shares = Counter(
            ran[count:]
        )  # the first node to arrive joins first, and may be alone in the queue for a turn
        assert len(shares) == count and max(shares.values()) - min(shares.values()) <= 1


def test_the_shares_of_the_other_nodes_stay_equal_when_a_node_dies():
    world = World(calm(STRATEGIES["round robin"], 4, faults=[(400.0, "die", 0.0, 2)])).run()
    shares = Counter(runners(world)[8:])
    assert set(shares) == {"node0", "node1", "node3"}
    assert max(shares.values()) - min(shares.values()) <= 1


def test_a_node_that_comes_back_gets_its_share_again():
    world = World(calm(STRATEGIES["round robin"], 3, faults=[(130.0, "crash", 60.0, 1)], span=1500.0)).run()
    shares = Counter(runners(world)[-12:])
    assert sorted(shares.values()) == [4, 4, 4]


def test_a_strict_queue_drops_a_dead_head_after_three_ticks_if_no_node_knows_that_it_is_dead(monkeypatch):
    monkeypatch.setattr("tests.simulation.hearts.plan", lambda world: None)
    world = World(calm(LAST["strict round robin"], faults=[(150.0, "die", 0.0, 0)])).run()
    gaps = [late - early for early, late in pairwise(sorted(claims(world)))]
    assert max(gaps) <= 4 * 60 and gaps[-1] == 60


def test_the_standby_takes_over_after_the_head_start_or_at_once_if_it_knows_that_the_primary_is_dead():
    world = World(calm(STRATEGIES["standby"], faults=[(235.0, "die", 0.0, 0)])).run()
    found = claims(world)
    before, after = [], []
    for _, run in sorted(found.items()):
        (before if run.began < 235 else after).append(run)
    assert {run.node.name for run in before} == {"node0"}
    assert {run.node.name for run in after} == {"node1"}
    assert latency(after[0]) < HEAD_START + 2  # five seconds after the crash, no node can know yet
    assert all(latency(run) < 2 for run in after if run.began > 235 + DETECTED)


def test_runs_return_to_the_primary_when_it_is_back():
    world = World(calm(STRATEGIES["standby"], faults=[(70.0, "crash", 60.0, 0)])).run()
    late = [run for _, run in sorted(claims(world).items()) if run.began > 130 + 2 * DETECTED]
    assert {run.node.name for run in late} == {"node0"}
    assert all(latency(run) < 2 for run in late)


def test_runs_return_only_after_the_primary_has_been_back_for_the_failback_time():
    world = World(calm(STRATEGIES["standby that fails back late"], faults=[(70.0, "crash", 60.0, 0)])).run()
    by = {round(run.began / 60): run.node.name for run in claims(world).values()}
    assert by[3] == "node1"  # at 180: back for 50 s
    assert {by[minute] for minute in range(5, 15)} == {"node0"}
    assert all(latency(run) < HEAD_START + 2 for run in claims(world).values())


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_paused_node_runs_nothing_and_no_tick_is_lost(name):
    world = World(calm(STRATEGIES[name], faults=[(70.0, "pause", 600.0, 0)])).run()
    assert not violations(world), history(world)
    paused = [run for run in claims(world).values() if 75 < run.began < 665]
    assert len(paused) == 10 and all(run.node.name != "node0" for run in paused)
    if name in ("standby", "round robin"):
        assert all(latency(run) < 2 for run in paused)  # no node waits for it
        assert "node0" in [run.node.name for run in claims(world).values() if run.began > 700]


def test_a_strategy_that_loses_a_tick_would_be_detected(monkeypatch):
    monkeypatch.setattr("cronguard.turns.standby.turn", lambda *_: Turn(None, "never"))
    world = World(calm(STRATEGIES["standby"])).run()
    assert "lost_ticks" in dict(violations(world))


def test_a_slice_of_a_dead_node_is_covered_by_the_next_node():
    world = World(calm(STRATEGIES["time slice with cover"], faults=[(70.0, "die", 0.0, 1)])).run()
    for epoch, run in claims(world).items():
        owner = epoch // 60 % 3
        if run.began > 75:
            assert run.node.name == ("node2" if owner == 1 else f"node{owner}")
