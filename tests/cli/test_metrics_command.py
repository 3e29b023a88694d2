"""`cronguard metrics`: what it prints, and how it replaces a file."""

import json
import os
import stat

import pytest
from nodes import PLAIN, told
from prometheus_client.parser import text_string_to_metric_families


@pytest.fixture
def ask(node):
    return lambda *argv, **more: node.call("metrics", *argv, "--backend", f"dir:{node.store}", **more)


def values(text, name):
    """Return the values of a metric by its labels, in the order of the label names."""
    return {
        tuple(sample.labels[label] for label in sorted(sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == f"cronguard_{name}"
    }


def test_runs_and_skips_of_this_node_and_jobs_of_all_nodes_are_shown(ask, node, other):
    job = ("--ns", "b", "--name", "j")
    other.run(*job, "--tick", "2026-01-01T00:00Z")
    node.run(*job, "--tick", "2026-01-01T00:00Z")
    node.run(*job, "--tick", "2026-01-01T00:01Z", command=["sh", "-c", "exit 3"])
    node.run("--ns", "b", "--name", "k", "--tick", "2026-01-01T00:00Z")
    text = ask().stdout
    assert {key[2]: value for key, value in values(text, "skips_total").items()} == {"already-ran": 1}
    assert {key[:1] + key[2:3] for key in values(text, "runs_total")} == {("j", "failed"), ("k", "done")}
    assert values(text, "last_exit_status") == {("j", "b"): 3, ("k", "b"): 0}
    assert values(text, "last_success_timestamp_seconds")["j", "b"] > 1.7e9
    assert values(text, "backend_up") == {(): 1}


def test_a_run_stopped_because_of_a_lost_lease_is_a_lease_loss(node, ask):
    """Another node gets the lease during the run; the keeper notices at the next renewal."""
    steal = (
        "import sys; from cronguard.store.contract import open_backend; from cronguard.system.clock import Clock;"
        "from cronguard.model.record import decode, encode; from cronguard.system.statedir import StateDir;"
        f"b = open_backend('dir:{node.store}', Clock(), StateDir('{node.home}/thief', 'web9'));"
        "e = b.read('lease/b/j'); r = decode(e.data, '');"
        "b.swap(e, encode(r._replace(run='thief', node='web9', token=r.token + 1))); import time; time.sleep(60)"
    )
    done = node.run("--ns", "b", "--name", "j", "--ttl", "5", command=[PLAIN[0], "-c", steal])
    assert done.returncode == 76, done.stderr
    assert list(values(ask().stdout, "lease_losses_total").values()) == [1]


def test_a_file_is_replaced_as_the_collector_needs_it(ask, node, tmp_path):
    node.run("--name", "j")
    path = tmp_path / "cronguard.prom"
    path.write_text("old")
    before = path.stat().st_ino
    assert ask("--write", str(path)).stdout == ""
    assert values(path.read_text(), "backend_up") == {(): 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o644 and path.stat().st_ino != before
    assert [one.name for one in tmp_path.glob("cronguard*")] == ["cronguard.prom"]


def test_a_failed_write_leaves_no_file_that_the_collector_reads(ask, node, tmp_path):
    folder = tmp_path / "cronguard.prom"
    folder.mkdir()  # makes the rename, the last step, fail
    told(ask("--write", str(folder)), 78, folder)
    assert [one.name for one in tmp_path.glob("cronguard*")] == ["cronguard.prom"]


@pytest.mark.parametrize(
    ("path", "status"), [("/no/such/folder/x.prom", 78), ("/tmp/cronguard.txt", 64), ("x", 64)]
)
def test_a_file_that_the_collector_would_not_read_is_refused(ask, path, status):
    told(ask("--write", path), status, path)


def test_without_the_backend_the_counters_are_still_written(node, tmp_path):
    gone = ("--backend", f"dir:{tmp_path}/gone")
    assert node.call("run", *gone, "--name", "j", "--", "true").returncode == 69
    path = tmp_path / "cronguard.prom"
    done = node.call("metrics", *gone, "--write", str(path))
    assert done.returncode == 69
    assert values(path.read_text(), "backend_up") == {(): 0}
    assert {key[2] for key in values(path.read_text(), "runs_total")} == {"unavailable"}


def test_only_the_start_of_an_outage_is_reported_and_not_each_minute(node, tmp_path):
    gone = ("--backend", f"dir:{tmp_path}/gone")
    first, second = (node.call("metrics", *gone) for _ in range(2))
    assert (first.returncode, second.returncode) == (69, 69)
    assert "gone" in first.stderr and second.stderr == ""


def test_a_run_is_not_stopped_by_counters_that_cannot_be_kept(node, tmp_path):
    counters = node.home / "state" / "node" / "web1" / "counters"
    counters.parent.mkdir(parents=True)
    counters.write_text("no folder")
    assert node.run("--name", "j").returncode == 0 and node.has_run()


def test_the_success_of_a_job_outlives_its_history(node, ask):
    """The record in the store has only failures left in its history."""
    node.run("--name", "j", "--tick", "2026-01-01T00:00Z")
    node.run("--name", "j", "--tick", "2026-01-01T00:01Z", command=["false"])
    [newest] = sorted((node.store / "v1/lease/default/j").glob("*/record.json"))[-1:]
    record = json.loads(newest.read_text())
    record["history"] = record["history"][1:]
    newest.write_text(json.dumps(record))
    assert values(ask().stdout, "last_success_timestamp_seconds")["j", "default"] == record["succeeded"]
    assert os.path.exists(node.marker)
