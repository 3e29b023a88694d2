"""cronguard's promises when the store is on a lock host, a separate machine that the nodes reach by SSH."""

import os
import subprocess
import time

from node import Node

from scenarios.contest import LONG, TTL, check, tick

URL = "ssh://root@10.77.0.20/run/locks"


def a_lock_host_is_cut_off(cluster):
    """The host is cut off for four seconds, which no job notices; then for more than the ttl, which no job outlives."""
    host = _add_lock_host(cluster)
    holder = cluster.clients[0]
    held = holder.start(_line(f"--tick {tick()}", seconds=LONG))
    cluster.wait_for(lambda runs: len(runs) == 1, 40)
    time.sleep(8)
    _cut_for(host, 4)
    time.sleep(TTL)
    assert _lives(cluster)
    host.cut()
    cut = time.time()
    late = [client.start(_line(f"--tick {tick()} --backend-timeout 6")) for client in cluster.clients[1:]]
    assert held.wait(TTL + 20).status == 76
    (run,) = cluster.runs()
    assert run.end - cut < TTL, f"{run}, cut off at {cut:.2f}"
    assert [command.wait(30).status for command in late] == [69, 69]
    host.mend()
    _check_the_next_tick(cluster)
    check(cluster)


def a_node_is_cut_off_from_the_lock_host(cluster):
    """The node's job is dead before another node's job starts. Late requests do no harm when the cable is back."""
    _add_lock_host(cluster)
    holder, *waiters = cluster.clients
    options = f"--tick {tick()} --wait 120"
    held = holder.start(_line(options, seconds=LONG))
    cluster.wait_for(lambda runs: len(runs) == 1, 40)
    waiting = [waiter.start(_line(options, seconds=12)) for waiter in waiters]
    time.sleep(8)
    holder.cut()
    cluster.wait_for(lambda runs: len(runs) == 2, TTL + 40)
    holder.mend()
    assert held.wait(60).status == 76
    assert sorted(command.wait(60).status for command in waiting) == [0, 75]
    _check_the_next_tick(cluster)
    check(cluster)


def _add_lock_host(cluster):
    """Boot the host, and give the nodes its host key and a key to log in with."""
    keys = f"{cluster.folder}/keys"
    os.mkdir(keys)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{keys}/{name}"], check=True)
    host = Node(cluster, "lockhost", 20, ROLE="lockhost", mem="192M")
    cluster.nodes.append(host)
    host.boot()
    cluster.everywhere(
        "install -d -m 700 /root/.ssh && install -m 600 /run/lab/keys/user /root/.ssh/id_ed25519 &&"
        f" echo {host.address} $(cut -d' ' -f1,2 /run/lab/keys/host.pub) >/root/.ssh/known_hosts"
    )
    return host


def _line(options, seconds=1):
    guard = f"cronguard run --ns lab --name ssh --backend {URL} --ttl {TTL} --log stderr"
    return f"{guard} {options} -- job ssh {seconds}"


def _cut_for(host, seconds):
    host.cut()
    time.sleep(seconds)
    host.mend()


def _lives(cluster):
    (run,) = cluster.runs()
    return not run.stopped and time.time() - run.marks[-1] < 2


def _check_the_next_tick(cluster):
    results = cluster.everywhere(_line(f"--tick {tick(ahead=60)}"), timeout=90)
    assert sorted(result.status for result in results) == [0, 75, 75], results
