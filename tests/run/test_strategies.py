"""Strategies with real processes: several nodes on one machine, which share a directory."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from processes import LIMIT, boot, wait_until
from rig import shell, tick

from cronguard.heartbeat.heartbeat import publish
from cronguard.model.beat import Beat
from cronguard.store.files.directory import DirectoryBackend
from cronguard.store.gate import Gate
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

STANDBY = ("--strategy", "standby", "--nodes", "web1,web2")
ROBIN = ("--strategy", "round-robin")
FAR = "10m"  # a head start that no test waits for


@pytest.fixture
def call(cluster):
    """Run a command that reads the store, and wait for its end."""

    def call(node, *words, status=0, config=""):
        done = subprocess.run(
            [sys.executable, "-m", "cronguard", *words],
            env=environment(cluster, node, config, "call"), capture_output=True, text=True, timeout=LIMIT, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    return call


@contextmanager
def heartbeat(cluster, node, config=""):
    """Let a node send a heartbeat every second."""
    words = [sys.executable, "-m", "cronguard", "heartbeat", "--interval", "1s"]
    with subprocess.Popen(
        words, env=environment(cluster, node, config), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(LIMIT)


def environment(cluster, node, config, name="heartbeat"):
    path = cluster.root / f"{node}-{name}.toml"
    path.write_text(config)
    more = {
        "CRONGUARD_BACKEND": f"dir:{cluster.share}",
        "CRONGUARD_LOG": "none",
        "CRONGUARD_CONFIG": str(path),
    }
    return cluster.env(node, **more)


def seen(call, by, node):
    """Return a node's verdict on another node."""
    rows = {row["node"]: row for row in json.loads(call("web1", "nodes", "--json"))}
    return rows.get(node, {}).get("seen_by", {}).get(by, {})


def wait_for_verdict(call, by, node, state):
    return wait_until(lambda: seen(call, by, node).get("state") == state, f"{node} {state} for {by}")


def hold(cluster, node, *options, label):
    """Start a run, and return it when it has claimed its lease; its job lasts until it is stopped."""
    run = cluster.start(*options, "--tick", label, *shell("sleep 1000"), node=node)
    wait_until(lambda: (r := cluster.record()) and (r.node, r.state) == (node, "running"), "the claim")
    return run


# standby


def test_a_standby_exits_at_once_when_the_primary_claims_the_tick(cluster):
    standby = cluster.start(*STANDBY, "--head-start", FAR, "--tick", tick(1), *shell("true"), node="web2")
    primary = hold(cluster, "web1", *STANDBY, label=tick(1))
    assert standby.end().status == 75  # long before its head start is over
    primary.send(signal.SIGTERM)


def test_a_primary_that_does_not_start_the_job_costs_a_head_start_but_not_the_run(cluster):
    assert cluster.run(*STANDBY, "--head-start", "1s", *shell("true"), node="web2").status == 0


def test_a_standby_takes_over_when_the_primarys_heartbeat_stops_and_gives_way_when_it_is_back(cluster, call):
    with heartbeat(cluster, "web2"):
        with heartbeat(cluster, "web1"):
            wait_for_verdict(call, "web2", "web1", "up")
        wait_for_verdict(call, "web2", "web1", "down")
        assert (
            cluster.run(*STANDBY, "--head-start", FAR, "--tick", tick(1), *shell("true"), node="web2").status
            == 0
        )
        with heartbeat(cluster, "web1"):
            wait_for_verdict(call, "web2", "web1", "up")
            standby = cluster.start(
                *STANDBY, "--head-start", FAR, "--tick", tick(2), *shell("true"), node="web2"
            )
            primary = hold(cluster, "web1", *STANDBY, label=tick(2))
            assert standby.end().status == 75
            primary.send(signal.SIGTERM)
            # Back for so short a time that the standby, which stayed, still goes first. The standby itself counts as back
            # since the boot of this machine, which may have been a few minutes ago.
            late = ("--failback-after", int(boot() / 2), "--tick", tick(3))
            assert cluster.run(*STANDBY, *late, "--head-start", FAR, *shell("true"), node="web2").status == 0


def test_a_node_is_down_when_its_service_is(cluster, call, tmp_path):
    """The heartbeat arrives and the port answers, but the service that the jobs need is not running."""
    pid = tmp_path / "service.pid"
    pid.write_text(str(os.getpid()))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        probes = f'[heartbeat]\nfall = 1\n[probes.web1]\nport = "tcp:127.0.0.1:{port}"\n'
        checks = (
            f'[heartbeat]\nfall = 1\n[heartbeat.checks]\nservice = "pidfile:{pid}"\nalso = "command:true"\n'
        )
        with heartbeat(cluster, "web1", checks), heartbeat(cluster, "web2", probes):
            wait_for_verdict(call, "web2", "web1", "up")
            wait_until(
                lambda: seen(call, "web2", "web1")["paths"] == {"beat": "up", "port": "up"}, "both paths"
            )
            pid.unlink()
            wait_for_verdict(call, "web2", "web1", "down")
            assert seen(call, "web2", "web1")["paths"] == {"beat": "up", "port": "up"}


def test_a_node_that_answers_on_a_port_is_up_although_its_heartbeat_has_stopped(cluster, call):
    with socket.create_server(("127.0.0.1", 0)) as server:
        probes = f'[probes.web1]\nport = "tcp:127.0.0.1:{server.getsockname()[1]}"\n'
        with heartbeat(cluster, "web2", probes):
            with heartbeat(cluster, "web1"):
                wait_until(
                    lambda: seen(call, "web2", "web1").get("paths", {}).get("beat") == "up", "the beat"
                )
            wait_until(lambda: seen(call, "web2", "web1")["paths"]["beat"] == "down", "the end of the beat")
            assert seen(call, "web2", "web1")["state"] == "up"
    # The port is closed now too, but no heartbeat checks it any more, and an old verdict does not count.


def test_a_heartbeat_continues_without_its_store_and_reports_that_once(cluster, call):
    with heartbeat(cluster, "web1") as process:
        wait_until(lambda: "web1" in call("web1", "nodes"), "the first beat")
        away = cluster.share.with_name("away")
        cluster.share.rename(away)
        assert process.stderr.readline().startswith("cronguard: ")
        away.rename(cluster.share)
        before = json.loads(call("web1", "nodes", "--json"))[0]["beat"]
        wait_until(lambda: json.loads(call("web1", "nodes", "--json"))[0]["beat"] > before, "another beat")


def test_two_machines_with_the_same_name_are_distinguished(cluster, call):
    url = f"dir:{cluster.share}"
    backend = DirectoryBackend.open(url, Clock(), StateDir(f"{cluster.root}/other", "web1"))
    publish(
        backend, Beat("web1", beat=1, machine="the-other-machine", boot="b", at=1.0, wall=time.time()), "x"
    )
    told = call("web1", "heartbeat", status=78)
    with open("/etc/machine-id") as file:
        assert "the-other-machine" in told and file.read().strip() in told


# round robin


def round_of(cluster, number, nodes, *options):
    """Let these nodes start the same tick at once; return the node that ran it."""
    line = (*ROBIN, "--head-start", "2s", *options, "--tick", tick(number))
    runs = {node: cluster.start(*line, *shell("true"), node=node) for node in nodes}
    ended = {node: run.end().status for node, run in runs.items()}
    assert sorted(ended.values()) == [0] + [75] * (len(nodes) - 1), ended
    return next(node for node, status in ended.items() if status == 0)


@pytest.mark.slow
def test_the_nodes_of_a_round_robin_share_the_ticks_and_a_dead_one_costs_none(cluster, call):
    nodes = ["web1", "web2", "web3"]
    ran = [round_of(cluster, number, nodes) for number in range(1, 8)]
    shares = Counter(ran[1:])  # the first node to arrive joins first
    assert sorted(shares.values()) == [2, 2, 2], ran
    living = [node for node in nodes if node != ran[-3]]
    ran = [round_of(cluster, number, living) for number in range(8, 13)]
    shares = Counter(ran)
    assert sorted(shares.values()) == [2, 3], ran
    [row] = json.loads(call("web1", "queue", "--json"))
    assert {place["node"] for place in row["queue"]} == set(living)


def test_the_queue_shows_whose_turn_it_is(cluster, call):
    round_of(cluster, 1, ["web1"])
    assert cluster.run(*ROBIN, "--tick", tick(1), *shell("true"), node="web2").status == 75
    [row] = json.loads(call("web1", "queue", "--json"))
    assert [place["node"] for place in row["queue"]] in (["web1", "web2"], ["web2", "web1"])
    assert "has the next turn" in call("web1", "queue")


def test_a_strict_queue_does_not_run_out_of_turn(cluster):
    round_of(cluster, 1, ["web1"])
    cluster.run(*ROBIN, "--tick", tick(1), *shell("true"), node="web2")
    head, other = ("web2", "web1") if cluster.record().node == "web1" else ("web1", "web2")
    out_of_turn = cluster.run(*ROBIN, "--strict", "--tick", tick(2), *shell("true"), node="web1")
    if out_of_turn.status == 0:  # web1 joined first and is the head again
        head, other = "web2", "web1"
    late = cluster.run(*ROBIN, "--strict", "--tick", tick(3), *shell("true"), node=other)
    assert (
        late.status,
        cluster.run(*ROBIN, "--strict", "--tick", tick(3), *shell("true"), node=head).status,
    ) == (75, 0)


# waiting in line


@pytest.mark.slow
def test_fair_runs_start_in_order_of_arrival_and_a_dead_one_is_passed_over(cluster, call):
    fair = ("--every-run", "--wait", "10m", "--fair")
    order = cluster.root / "order"
    first = hold(cluster, "web1", *fair, label=tick(1))
    runs = []
    for number in range(4):
        runs.append(
            cluster.start(
                *fair, "--tick", tick(1), *shell(f"echo {number} >> {order}"), node=f"web{number % 2}"
            )
        )
        wait_until(lambda n=number: len(_waiting(call)) == n + 1, "its place in the line")
    runs[1].popen.kill()
    runs[1].popen.wait()
    first.send(signal.SIGTERM)
    assert [run.end().status for run in runs if run is not runs[1]] == [0, 0, 0]
    assert order.read_text().split() == ["0", "2", "3"]
    assert _waiting(call) == []


def _waiting(call):
    rows = json.loads(call("web1", "queue", "--json"))
    return rows[0]["waiting"] if rows else []


# time slices and pauses


def test_a_time_slice_is_run_only_by_its_node(cluster):
    line = ("--strategy", "time-slice", "--nodes", "web1,web2", "--schedule", "* * * * *", "--tick", tick(1))
    ended = [cluster.run(*line, *shell("true"), node=node).status for node in ("web1", "web2")]
    assert sorted(ended) == [0, 75]


def test_a_slice_is_covered_by_the_next_node(cluster):
    line = (
        "--strategy",
        "time-slice",
        "--cover",
        "--head-start",
        "1s",
        "--schedule",
        "* * * * *",
        "--nodes",
        "2",
    )
    for index in ("0", "1"):
        done = cluster.run(
            *line, "--index", index, "--tick", tick(1 + int(index)), *shell("true"), node=f"web{index}"
        )
        assert done.status == 0


@pytest.mark.parametrize("options", [(), ROBIN, STANDBY])
def test_a_paused_node_runs_nothing_until_it_is_resumed(cluster, call, options):
    call("web2", "pause", "--node", "web1", "--reason", "reboot", status=64)  # nobody has seen a web1 yet
    call("web1", "pause", "--reason", "reboot")
    paused = cluster.run("-v", *options, "--tick", tick(1), *shell("true"), node="web1")
    assert paused.status == 75 and "paused: web1 is paused: reboot" in paused.err
    assert (
        cluster.run(*options, "--head-start", FAR, "--tick", tick(1), *shell("true"), node="web2").status == 0
    )
    assert "paused: reboot" in call("web2", "nodes")
    assert call("web2", "resume", "--node", "web1") == "web1 is resumed\n"
    assert (
        cluster.run(*options, "--head-start", "1s", "--tick", tick(2), *shell("true"), node="web1").status
        == 0
    )


def test_a_dry_run_reports_whose_turn_it_is_and_why(cluster):
    done = cluster.run(*STANDBY, "--dry-run", "--tick", tick(1), *shell("true"), node="web2")
    assert done.out == (
        "default/job on web2: turn: after 15s (web1 is ahead of this node and up); no recent heartbeat from this node, "
        f"so the others count as up; lease: free, never run; tick {tick(1)} not yet run: would run, attempt 1\n"
    )


def test_a_host_without_an_address_is_reported_once_and_gives_no_verdict_on_its_node(cluster, call):
    config = '[probes.web2]\nip = "tcp:nowhere.invalid:22"\n'
    words = [sys.executable, "-m", "cronguard", "heartbeat"]
    told = [
        subprocess.run(
            words, env=environment(cluster, "web1", config), capture_output=True, text=True, check=True
        ).stderr
        for _ in range(2)
    ]
    assert told[0].startswith("cronguard: web2 ip: nowhere.invalid: ") and told[1] == ""
    assert seen(call, "web1", "web2") == {}  # there is no web2 yet; web1 keeps the verdict on it


def test_a_heartbeat_that_hangs_in_the_store_does_not_block_a_run(cluster):
    """Otherwise every run would queue behind its own node's heartbeat at the gate, and give up after a while."""
    url = f"dir:{cluster.share}"
    gate = Gate(
        StateDir(cluster.env("web1")["CRONGUARD_STATE_DIR"], "web1"), f"{url} heartbeat", 600.0, Clock()
    )
    gate.enter()
    assert cluster.run(*shell("true"), node="web1").status == 0
    gate.leave()
