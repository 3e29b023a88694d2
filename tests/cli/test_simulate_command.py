"""`cronguard simulate`: what it prints; and real runs do the same."""

import json
from xml.etree import ElementTree as ET

import pytest
from nodes import Node, told

NAMES = ("web1", "web2", "web3")


@pytest.fixture
def ask(node):
    return lambda *argv, **more: node.call("simulate", *argv, **more)


def rows(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_shows_the_runs_a_picture_a_summary_and_what_is_simplified(ask):
    text = ask("--strategy", "standby", "--nodes", "web1,web2", "--fail", "web1@10m+20m").stdout
    lines = text.splitlines()
    assert lines[0].split() == ["TICK", "NODE", "STATE", "ATTEMPT", "LATE", "TOOK"]
    assert lines[1].split()[:3] == ["2026-01-01T00:00Z", "web1", "done"]
    assert "web1  ●●····●●●●●●" in lines and "web2  ··●●●●······" in lines
    assert "12 ticks: 12 done, 0 missed, 0 overrun" in lines
    assert "\nsimplified:\n- all clocks agree\n" in text


def test_as_json_it_has_rows_like_those_of_the_history_and_a_summary(ask):
    found = rows(ask("--nodes", "1", "--length", "10m", "--fail", "node1@5m", "--json"))
    assert [(row["tick"], row["state"], row["node"]) for row in found["runs"]] == [
        ("2026-01-01T00:00Z", "done", "node1"),
        ("2026-01-01T00:05Z", "missed", ""),
    ]
    assert (found["summary"]["ticks"], found["summary"]["missed"]) == (2, 1)
    assert found["runs"][0]["late"] <= 1.1 and found["simplified"]


def test_it_draws_the_same_picture_as_the_history(ask, tmp_path):
    path = tmp_path / "picture.svg"
    assert ask("--svg", str(path)).stdout == ""
    assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_it_reads_no_configuration_and_touches_no_store(ask, node, tmp_path):
    before = ask().stdout
    env = {"CRONGUARD_STRATEGY": "nope", "CRONGUARD_BACKEND": "dir:/none", "CRONGUARD_CONFIG": "/none"}
    assert ask(env=env).stdout == before
    assert not (node.home / "state").exists()


@pytest.mark.parametrize(
    ("argv", "status", "value"),
    [
        (["--fail", "web1"], 64, "web1"),
        (["--fail", "boom:node1@1m"], 64, "boom"),
        (["--strategy", "nope"], 64, "nope"),
        (["--ttl", "1"], 64, "--ttl"),
        (["--ttl", "30", "--kill-after", "25"], 64, "--kill-after"),
        (["--nodes", "0"], 64, "--nodes"),
        (["--schedule", "never"], 64, "never"),
        (["--start", "soon"], 64, "--start"),
        (["--late", "2m"], 64, "--late"),
        (["--heartbeat", "0.1"], 64, "--heartbeat"),
        (["--fair"], 64, "--fair"),
        (["--nodes", "9", "--schedule", "* * * * *", "--length", "2d"], 64, "--length"),
        (["--svg", "/no/such/file"], 78, "/no/such/file"),
    ],
)
def test_a_scenario_that_cannot_be_simulated_is_reported(ask, argv, status, value):
    told(ask(*argv), status, value)


@pytest.fixture
def cluster(tmp_path, store):
    return {name: Node(tmp_path / name, store, name) for name in NAMES}


LINE = (
    "--strategy",
    "round-robin",
    "--nodes",
    ",".join(NAMES),
    "--head-start",
    "8",
)  # seconds, enough for the first node to start; a dead head of the queue costs them twice


def runner(cluster, names, number, *, at_once=True):
    """Start a tick on these nodes as cron would; return the node that ran it."""
    argv = ["run", "--backend", f"dir:{cluster['web1'].store}", *LINE, "--name", "j"]
    argv += ["--tick", f"2026-01-01T00:{number:02}Z", "--", "true"]
    started = {}
    for name in names:
        started[name] = cluster[name].start(*argv)
        if not at_once:
            started[name].wait(60)
    statuses = {
        name: process.communicate(timeout=120) and process.returncode for name, process in started.items()
    }
    assert sorted(statuses.values()) == [0] + [75] * (len(names) - 1), statuses
    return next(name for name, status in statuses.items() if status == 0)


@pytest.mark.slow
def test_a_real_round_robin_in_which_a_node_dies_goes_as_simulated(cluster, ask):
    argv = (*LINE, "--schedule", "* * * * *", "--length", "7m", "--duration", "1s", "--late", "0")
    simulated = [row["node"] for row in rows(ask(*argv, "--fail", "web2@4m", "--json"))["runs"]]
    real = [runner(cluster, NAMES, 0, at_once=False)]
    real += [runner(cluster, NAMES, number) for number in range(1, 4)]
    real += [runner(cluster, ("web1", "web3"), number) for number in range(4, 7)]
    assert real == simulated
