"""The machine that keeps the entries goes down during whole runs: each tick runs once, on the node in turn."""

import pytest
from clusters import CLUSTERS
from engine_nodes import NEXT_TICK, TICK, Nodes
from processes import wait_until
from scheduled import PATIENTLY, PREEMPTION, ROUND_ROBIN, Schedule, queue_up

pytestmark = pytest.mark.slow
STRATEGIES = {"preemption": PREEMPTION, "round-robin": ROUND_ROBIN}


@pytest.fixture(params=CLUSTERS)
def cluster(request):
    started = CLUSTERS[request.param]()
    yield started
    started.end()


@pytest.fixture
def nodes(cluster, tmp_path):
    made = Nodes(tmp_path, cluster.url)
    yield made
    made.clean_up()


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_each_tick_runs_once_and_in_turn_through_a_fail_over(cluster, nodes, strategy):
    """It happens while a job is running, others are waiting for it, and the lines of the next tick start."""
    queue_up(cluster.url, nodes.root / "judge")
    line = Schedule(nodes, strategy)
    for _ in range(2):
        line.fire_and_begin()
    line.fire_and_begin(seconds=1.0)
    cluster.strike()
    line.fire()
    cluster.recover()
    wait_until(line.has_begun, "the job")
    for _ in range(2):
        line.fire_and_begin()
    assert line.faults() == []


def test_a_job_continues_through_a_fail_over_and_another_starts(cluster, nodes):
    """It happens shortly before a renewal is due."""
    run = nodes.start("--tick", TICK, *PATIENTLY, *nodes.alive(120))
    wait_until(lambda: nodes.is_running(160), "the job's ninth second")
    beat = nodes.record().beat
    cluster.strike()
    other = nodes.start("--tick", TICK, *PATIENTLY, "--", "true", job="other", node="n2")
    cluster.recover()
    wait_until(lambda: nodes.record().beat > beat, "the renewal")
    nodes.end_jobs()
    assert (other.end().status, run.end().status) == (0, 0)
    assert (nodes.record().state, nodes.record("default/other").state) == ("done", "done")
    assert [nodes.run("--tick", tick, "--", "true", node="n2").status for tick in (TICK, NEXT_TICK)] == [
        75,
        0,
    ]
    assert [hold.token for hold in nodes.holds()] == [nodes.record().history[0]["token"]]
