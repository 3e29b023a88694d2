"""The machine that keeps the entries dies while many nodes use them: there is no error, and nothing is lost."""

import os
import threading

import pytest
from clusters import CLUSTERS
from fuzz import CONTENDERS, Fuzz
from fuzz_checks import hold_faults
from fuzz_worker import JOB, ROUND
from redis_servers import Redis
from servers import wait_for

from cronguard.doctor.chain import chain_faults
from cronguard.model import rotation
from cronguard.model.record import decode
from cronguard.model.rotation import Place as Standing
from cronguard.model.rotation import Rotation
from cronguard.store.contract import Terms, open_backend
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

pytestmark = pytest.mark.slow
TICKS = 5 * CONTENDERS  # each node has the same share of them


class Place:
    """A cluster in the form of a store for the fuzz."""

    def __init__(self, cluster, folder):
        self.url, self._folder = cluster.url, folder

    def url_for(self, writer):
        return self.url

    def open(self, node):
        return open_backend(self.url, Clock(), StateDir(f"{self._folder}/state", node))


@pytest.fixture(params=["etcd", "redis", "postgres"])
def cluster(request):
    started = CLUSTERS[request.param]()
    yield started
    started.end()


@pytest.fixture
def fuzz(cluster, place):
    return Fuzz(Place(cluster, place), place)


def fail_over_after(fuzz, cluster, lines):
    """Return a function that lets the contenders start work, and then takes the machine down."""

    def logged():
        logs = [name for name in os.listdir(fuzz.folder) if name.endswith(".log")]
        return sum(open(f"{fuzz.folder}/{name}", "rb").read().count(b"\n") for name in logs)

    def act():
        wait_for(lambda: logged() >= lines, "the first steps")
        before = logged()
        cluster.fail_over()
        wait_for(lambda: logged() > before + lines, "steps after the fail-over")

    return act


def test_swaps_make_one_chain_through_a_fail_over(fuzz, cluster):
    fuzz.processes("swap", 300, fail_over_after(fuzz, cluster, 400))
    attempts = fuzz.attempts()
    assert [a for a in attempts if a.answer not in ("published", "none")] == []
    assert chain_faults(attempts, fuzz.latest()) == []


def test_every_step_of_work_on_a_job_is_done_once_through_a_fail_over(fuzz, cluster):
    """A step is one lease that is claimed, perhaps renewed, and settled. The record has the history of all steps."""
    fuzz.processes("hold", 6, fail_over_after(fuzz, cluster, 10))
    holds = fuzz.holds()
    assert len(holds) == CONTENDERS * 6
    assert hold_faults(holds) == []
    latest = decode(fuzz.store.open("judge").read(JOB.key).data, "the store")
    tokens = sorted(hold.token for hold in holds)
    assert [run["token"] for run in latest.history] == tokens[-len(latest.history) :]
    assert {run["state"] for run in latest.history} == {"done"}


def test_a_round_robin_keeps_its_queue_through_a_fail_over(fuzz, cluster):
    """No node runs out of turn, runs twice, or counts as having missed its turn."""
    nodes = [f"web{n}" for n in range(CONTENDERS)]
    backend, key = fuzz.store.open("judge"), rotation.queue_key(ROUND)
    queue = Rotation(tuple(map(Standing, nodes))).published("the test")
    assert backend.swap(backend.read(key), rotation.encode(queue))
    fuzz.processes("turns", TICKS, fail_over_after(fuzz, cluster, 20))
    holds = sorted(fuzz.holds(), key=lambda hold: hold.started)
    assert [(hold.tick, hold.node) for hold in holds] == list(enumerate(nodes * (TICKS // CONTENDERS)))
    assert hold_faults(holds) == []
    latest = decode(backend.read(ROUND.key).data, "the store")
    told = [(run["token"], run["node"], run["state"], run["attempt"]) for run in latest.history]
    assert told == [(hold.token, hold.node, "done", 1) for hold in holds][-len(told) :]
    kept = rotation.decode(backend.read(key).data, key).following(latest)
    assert kept.places == tuple(map(Standing, nodes))


def test_a_redis_whose_only_replica_was_promoted_answers_once_it_has_a_replica_again(place):
    """An entry on one machine alone does not count as published: better no run than one that may be lost."""
    with Redis(replicas=1, sentinels=3) as servers:
        url = servers.sentinel_url(replicas=1)
        backend = open_backend(url, Clock(), StateDir(place, "web1"), Terms(60.0))
        before = backend.swap(backend.read(JOB.key), b"before")
        master = servers.master()
        master.kill()
        wait_for(lambda: (new := servers.master()) and new is not master, "a new master")
        answers = []
        writer = threading.Thread(target=lambda: answers.append(backend.swap(before, b"after")))
        writer.start()
        master.start()
        writer.join()
        assert answers[0].data == backend.read(JOB.key).data == b"after"
