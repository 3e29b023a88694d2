"""Whole runs while the engine is frozen or has no majority: never two at once, and the tick is not lost."""

import json
import threading

import pytest
import session
from engine_nodes import NEXT_TICK, TICK, Nodes
from etcd_servers import Etcd
from fuzz_checks import hold_faults
from processes import wait_until
from proxy import Proxy
from stores import STORES

pytestmark = pytest.mark.slow
# In the message of a swap, but not in that of a read.
SWAP = {"etcd": b"/v3/kv/txn", "postgres": b'"state":', "redis": b'"state":'}


class Rig:
    """One engine, nodes that reach it, and a node n1 whose connection to it a test can watch."""

    def __init__(self, name, place, tmp_path):
        url = STORES[name](place).url
        servers = getattr(session, name)()
        self.server, self.proxy = servers.servers[0], Proxy(servers.ports[0])
        self.nodes = Nodes(tmp_path, url)
        self.watched = {"CRONGUARD_BACKEND": url.replace(str(servers.ports[0]), str(self.proxy.port))}
        self._swap = SWAP[name]
        self.has_stood_still = threading.Event()

    def stand_still_at_swap(self, seconds=None):
        """Freeze the engine when n1's next swap is on its way; the engine reads it when it resumes."""

        def stop(data, from_client):
            if from_client and self._swap in data and not self.has_stood_still.is_set():
                self.server.pause()
                self.has_stood_still.set()
                if seconds:
                    threading.Timer(seconds, self.server.resume).start()
            return False

        self.proxy.is_to_cut = stop

    def start(self, seconds, ttl=5, timeout=20):
        """Start a run on n1. Tests in which others take it over use the shortest ttl possible."""
        words = ["--tick", TICK, "--ttl", ttl, "--backend-timeout", timeout, *self.nodes.alive(seconds)]
        return self.nodes.start(*words, env=self.watched)

    def clean_up(self):
        self.server.resume()
        self.nodes.clean_up()
        self.proxy.close()


@pytest.fixture(params=["etcd", "postgres", "redis"])
def rig(request, place, tmp_path):
    made = Rig(request.param, place, tmp_path)
    yield made
    made.clean_up()


def run_elsewhere(nodes, tick):
    return nodes.run("--tick", tick, "--ttl", 60, "--wait", 60, *nodes.alive(0.3), node="n2").status


def test_an_engine_frozen_during_a_claim_loses_no_tick(rig):
    rig.stand_still_at_swap()
    refused = rig.start(0.3, timeout=6).end()
    assert (refused.status, rig.has_stood_still.is_set()) == (69, True)
    rig.server.resume()
    assert run_elsewhere(rig.nodes, TICK) == 0
    assert len(rig.nodes.holds()) == 1


def test_an_engine_frozen_during_a_renewal_costs_the_lease_and_no_tick(rig):
    run = rig.start(60)
    wait_until(rig.nodes.is_running, "the job")
    rig.stand_still_at_swap()
    assert run.end().status == 76
    rig.server.resume()
    assert run_elsewhere(rig.nodes, TICK) == 0
    assert len(rig.nodes.holds()) == 2
    assert hold_faults(rig.nodes.holds()) == []


def test_an_engine_frozen_for_a_moment_costs_nothing(rig):
    run = rig.start(8, ttl=20)
    wait_until(rig.nodes.is_running, "the job")
    rig.stand_still_at_swap(1.0)
    assert run.end().status == 0
    assert rig.has_stood_still.is_set()
    assert run_elsewhere(rig.nodes, TICK) == 75
    assert len(rig.nodes.holds()) == 1


def test_an_engine_frozen_when_a_run_settles_causes_no_overlap_and_stops_no_later_tick(rig):
    run = rig.start(0.5, timeout=6)
    wait_until(rig.nodes.is_running, "the job")
    rig.stand_still_at_swap()
    done = run.end()
    assert (done.status, rig.has_stood_still.is_set()) == (0, True)
    assert "could not be written" in done.err
    rig.server.resume()
    # The engine may not have read the settling yet.
    assert run_elsewhere(rig.nodes, TICK) in (0, 75)
    assert run_elsewhere(rig.nodes, NEXT_TICK) == 0
    assert hold_faults(rig.nodes.holds()) == []


@pytest.mark.parametrize("is_silent", [False, True], ids=["closed", "silent"])
def test_a_node_that_is_cut_off_stops_its_job_before_another_node_starts(rig, is_silent):
    run = rig.start(60)
    wait_until(rig.nodes.is_running, "the job")
    words = ["--tick", TICK, "--ttl", 60, "--wait", 60, *rig.nodes.alive(0.3)]
    other = rig.nodes.start(*words, node="n2")
    rig.proxy.reset(is_silent=is_silent)
    rig.proxy.is_to_cut = lambda data, from_client: True
    assert (run.end().status, other.end().status) == (76, 0)
    assert len(rig.nodes.holds()) == 2
    assert hold_faults(rig.nodes.holds()) == []


def test_locks_unlock_and_forget_work_on_an_engine(rig):
    run = rig.start(60, ttl=30)
    wait_until(rig.nodes.is_running, "the job")
    assert [row["node"] for row in json.loads(rig.nodes.tell("locks", "--json"))] == ["n1"]
    assert "will stop it" in rig.nodes.tell("unlock", "default/job")
    assert run.end().status == 76
    assert "is forgotten" in rig.nodes.tell("forget", "default/job")
    assert json.loads(rig.nodes.tell("locks", "--all", "--json")) == []


@pytest.fixture
def members(tmp_path):
    with Etcd(3) as servers:
        nodes = Nodes(tmp_path, servers.url())
        yield servers, nodes
        nodes.clean_up()


def test_without_a_majority_nothing_runs_and_once_it_is_back_the_tick_runs(members):
    servers, nodes = members
    for server in servers.servers[:2]:
        server.pause()
    assert nodes.run("--tick", TICK, "--backend-timeout", 6, *nodes.alive(0.3)).status == 69
    for server in servers.servers[:2]:
        server.resume()
    assert run_elsewhere(nodes, TICK) == 0
    assert len(nodes.holds()) == 1
