"""Primary and standby on real machines, with real crons and heartbeats: which node runs the next tick after a fault."""

import json
import time

from intervals import ticks

from scenarios.contest import check

HEAD_START = 15  # seconds, the default; on a busy host, a run may take several seconds to start
LINE = (
    "* * * * * cronguard run --ns lab --name turns --strategy standby --ttl 20 --log stderr "
    "-- job turns 2 2>>/run/lab/$(hostname).log\n"
)
CONFIG = f"""
backend = "dir:/run/mixed/dir"
backend_timeout = 10
nodes = ["node1", "node2", "node3"]
head_start = {HEAD_START}
[probes.node1]
ip = "ping:10.77.0.11"
[probes.node2]
ip = "ping:10.77.0.12"
[probes.node3]
ip = "ping:10.77.0.13"
"""
KNOWN = 25  # seconds until a dead node is known to be down: three heartbeats of two seconds, and more on a busy host


def a_standby_follows_a_dead_primary(cluster):
    """The primary dies: the standby runs the next tick at once, and the primary runs again when it is back."""
    shift = _begin(cluster)
    primary, standby, _ = cluster.clients
    _next_run(cluster, "node1")
    primary.crash()
    _wait_for_verdict(standby, "node1", "down")
    follower = _next_run(cluster, "node2")
    assert _seconds(follower, shift) < HEAD_START, str(follower)
    primary.boot()
    primary.check(f"date -s '{shift:+.3f} seconds'")
    _start(primary)
    _wait_for_verdict(standby, "node1", "up")
    _next_run(cluster, "node1")
    check(cluster)


def a_primary_whose_cron_is_dead_costs_a_head_start(cluster):
    """The primary's host is alive but its cron is dead: the standby runs the tick after the head start."""
    shift = _begin(cluster)
    primary = cluster.clients[0]
    _next_run(cluster, "node1")
    primary.check("kill $(cat /run/crond.pid)")
    follower = _next_run(cluster, "node2")
    assert HEAD_START - 1 < _seconds(follower, shift) < HEAD_START + 12, str(follower)
    primary.cron(LINE)
    _next_run(cluster, "node1")
    _pause_at_once(cluster)
    check(cluster)


def _pause_at_once(cluster):
    """After one node has paused a job, another does not start it even if it has just read the store (NFS 4 and 3)."""
    for one, other in ((0, 1), (1, 2), (2, 0)):
        ours, theirs = cluster.clients[one], cluster.clients[other]
        begin = f"cronguard run --ns lab --name paused{one} --every-run --log none -- true"
        theirs.check(begin)
        ours.check(f"cronguard pause lab/paused{one} --reason lab")
        theirs.check(f"{begin}; test $? = 75")
        ours.check(f"cronguard resume lab/paused{one}")
        theirs.check(begin)


def a_partition_between_nodes_changes_nothing(cluster):
    """Primary and standby cannot reach each other, but both reach the storage: one path is down, the node is up."""
    shift = _begin(cluster)
    primary, standby, _ = cluster.clients
    _next_run(cluster, "node1")
    _lose(primary, standby)
    _lose(standby, primary)
    _wait_for(lambda: _seen(standby, "node1")["paths"] == {"beat": "up", "ip": "down"}, "the lost path")
    assert _seen(standby, "node1")["state"] == "up"
    again = _next_run(cluster, "node1")
    assert _seconds(again, shift) < HEAD_START, str(again)
    check(cluster)


def a_primary_without_storage_leaves_its_turn(cluster):
    """The primary loses only the storage: the others see it as up, it runs nothing, and later it has its turn again."""
    _begin(cluster)
    primary, standby, _ = cluster.clients
    _next_run(cluster, "node1")
    _lose(primary, cluster.server)
    _wait_for(
        lambda: _seen(standby, "node1")["paths"] == {"beat": "down", "ip": "up"}, "the end of the beats"
    )
    assert _seen(standby, "node1")["state"] == "up"
    _next_run(cluster, "node2")
    _find(primary, cluster.server)
    _wait_for_verdict(standby, "node1", "up")
    cluster.wait_for(lambda runs: runs[-1].node == "node1", 240)
    check(cluster)
    told = primary.check("cat /run/lab/node1.log")
    assert "unavailable" in told, told


def _begin(cluster):
    """Start heartbeats and crons; return how far the nodes' clocks are ahead of the host's."""
    cluster.server.check("mkdir /run/disk/share/dir")
    shift = cluster.next_minute_in(30)
    for client in cluster.clients:
        _start(client)
    _wait_for_verdict(cluster.clients[1], "node1", "up")
    return shift


def _start(client):
    client.check(f"mkdir -p /etc/cronguard && cat >/etc/cronguard/config.toml <<'END'\n{CONFIG}END")
    client.check(
        "setsid cronguard heartbeat --interval 2s --backend dir:/run/mixed/dir >/run/lab/$(hostname).heart 2>&1 &"
    )
    client.cron(LINE)


def _next_run(cluster, node):
    """Wait for a run of the next tick. It must be on this node, and the only run of its tick."""
    known = len(cluster.runs())
    cluster.wait_for(lambda runs: len(runs) > known, 120)
    run = cluster.runs()[-1]
    assert run.node == node, list(map(str, cluster.runs()))
    assert all(len(of_tick) == 1 for of_tick in ticks(cluster.runs()).values())
    cluster.wait_for(lambda runs: runs[-1].stopped, 30)
    return run


def _seconds(run, shift):
    """Return how many seconds after the minute, by its node's clock, the run started."""
    return (run.start + shift) % 60


def _seen(client, node):
    rows = json.loads(client.check("cronguard nodes --json"))
    return next(row for row in rows if row["node"] == node)["seen_by"].get(
        client.name, {"paths": {}, "state": ""}
    )


def _wait_for_verdict(client, node, state):
    _wait_for(lambda: _seen(client, node)["state"] == state, f"{node} {state}")


def _wait_for(fact, what):
    deadline = time.monotonic() + 2 * KNOWN
    while not fact():
        assert time.monotonic() < deadline, f"{what}: not within {2 * KNOWN} s"
        time.sleep(0.5)


def _lose(client, other):
    """Drop everything that this node sends to the other."""
    client.check(f"ip route add blackhole {other.address}/32")


def _find(client, other):
    client.check(f"ip route del blackhole {other.address}/32")
