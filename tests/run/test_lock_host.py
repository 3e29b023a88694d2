"""Runs whose nodes share a lock host that freezes, dies, comes back, and gets requests from forty nodes at once."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import sshd
from members import HERE
from processes import boot, wait_until
from rig import renewed_at, tick

ROUNDS = int(os.environ.get("CRONGUARD_TEST_ROUNDS", "1"))  # of the herd; twenty take some minutes
NODES = 40
RUN = ("--ttl", "8", "--kill-after", "1")


@pytest.fixture
def host(tmp_path):
    sshd.require()
    with sshd.Sshd(tmp_path / "lock-host") as host:
        yield host
        host.thaw()


@pytest.fixture
def lines(cluster, host):
    """Starts a run of the cluster with the options and the environment for the lock host."""

    def start(*arguments, node="n1", **more):
        backend = ("--backend", host.url(cluster.share))
        return cluster.start(*backend, *arguments, node=node, env=host.env, **more)

    return start


def until(file):
    return ["-c", f"touch began; while ! test -e {file}; do sleep 0.05; done"]


def has_begun(cluster):
    return wait_until((cluster.root / "began").exists, "the job's start")


def test_the_guard_has_one_thread_and_nothing_of_the_library(cluster, lines):
    run = lines(*until("end"))
    has_begun(cluster)
    keeper = run.keeper()
    assert "cryptography" in Path(f"/proc/{keeper.pid}/maps").read_text()
    assert "cryptography" not in Path(f"/proc/{run.pid}/maps").read_text()
    assert len(os.listdir(f"/proc/{run.pid}/task")) == 1
    (cluster.root / "end").touch()
    assert run.end().status == 0


def test_a_key_that_others_can_read_is_reported_and_the_command_runs(cluster, host, lines):
    host.key.chmod(0o644)
    told = lines("--every-run", "-c", "true").end()
    assert (told.status, told.err) == (
        0, f"cronguard: the private key {host.key} can be read by other users: chmod 600 {host.key}\n"
    )  # fmt: skip
    assert lines("--every-run", "-c", "true").end().err == ""


def test_an_unknown_host_is_reported_with_the_line_to_add_and_nothing_runs(cluster, host, lines):
    host.know("")
    done = lines("--if-unavailable", "run", "-c", "touch ran").end()
    assert done.status == 78
    assert f"add to {host.home}/.ssh/known_hosts: [127.0.0.1]:{host.port} {host.host_key()}" in done.err
    assert len(done.err.splitlines()) == 2
    assert not (cluster.root / "ran").exists()


def test_commands_that_only_look_reach_the_lock_host_too(cluster, host, lines):
    assert lines("-c", "true").end().status == 0
    command = [sys.executable, "-m", "cronguard", "locks", "--all", "--backend", host.url(cluster.share)]
    words = dict(env=cluster.env(**host.env), cwd=cluster.root, capture_output=True, text=True)
    shown = subprocess.run(command, check=False, **words)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "default/job" in shown.stdout
    host.stop()
    refused = subprocess.run([*command, "--backend-timeout", "1"], check=False, **words)
    host.start()
    assert refused.returncode == 69
    assert refused.stderr.startswith("cronguard: 127.0.0.1, port")
    assert len(refused.stderr.splitlines()) == 2


def test_a_claim_on_a_frozen_host_fails_in_time_and_the_next_one_runs(cluster, host, lines):
    host.freeze()
    done = lines("--tick", tick(1), "--backend-timeout", "6", "-c", "touch ran").end()
    assert done.status == 69
    assert "127.0.0.1" in done.err
    assert not (cluster.root / "ran").exists()
    host.thaw()
    assert lines("--tick", tick(2), "-c", "touch ran").end().status == 0


def test_a_host_that_freezes_for_a_moment_during_renewals_is_not_noticed(cluster, host, lines):
    run = lines("--ttl", "20", *until("end"))
    has_begun(cluster)
    host.freeze()
    frozen = boot()
    wait_until(lambda: boot() > frozen + 6.0)  # more than a heartbeat
    host.thaw()
    wait_until(lambda: renewed_at(cluster.record()) > frozen + 6.0, "a renewal")
    (cluster.root / "end").touch()
    assert run.end().status == 0
    assert cluster.record().attempt == 1


def test_a_host_that_freezes_for_longer_stops_the_job_before_another_may_run_it(cluster, host, lines):
    run = lines(*RUN, "--tick", tick(1), *until("end"))
    has_begun(cluster)
    job = run.job()
    host.freeze()
    last = renewed_at(cluster.record())
    wait_until(lambda: not job.is_alive, "the end of the job")
    assert boot() < last + 8.0
    assert run.end().status == 76
    host.thaw()
    other = lines(*RUN, "--tick", tick(1), "--wait", "60", "-c", "touch ran", node="n2")
    assert other.end().status == 0
    assert [r["state"] for r in cluster.record().history] == ["crashed", "done"]


def test_an_outcome_is_written_when_the_host_wakes_in_time(cluster, host, lines):
    run = lines(*until("end"))
    has_begun(cluster)
    job = run.job()
    host.freeze()
    (cluster.root / "end").touch()
    wait_until(lambda: not job.is_alive, "the end of the job")
    ended = boot()
    wait_until(lambda: boot() > ended + 2.0)
    assert cluster.record().state == "running"
    host.thaw()
    assert run.end().status == 0
    assert cluster.record().state == "done"


def test_an_outcome_that_cannot_be_written_is_reported_and_the_run_ends(cluster, host, lines):
    run = lines("--ttl", "8", "--backend-timeout", "4", *until("end"))
    has_begun(cluster)
    host.freeze()
    (cluster.root / "end").touch()
    done = run.end()
    assert done.status == 0
    assert "its outcome could not be written" in done.err
    assert cluster.record().state == "running"


def test_a_job_outlives_a_host_that_is_killed_and_comes_back(cluster, host, lines):
    run = lines("--ttl", "30", *until("end"))
    has_begun(cluster)
    token = cluster.record().token
    host.stop()
    host.start()
    started = boot()
    wait_until(lambda: renewed_at(cluster.record()) > started, "a renewal")
    (cluster.root / "end").touch()
    assert run.end().status == 0
    assert (cluster.record().state, cluster.record().token) == ("done", token)


def test_a_host_that_stays_down_stops_the_job(cluster, host, lines):
    run = lines(*RUN, *until("end"))
    has_begun(cluster)
    host.stop()
    assert run.end().status == 76
    host.start()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_of_forty_nodes_in_one_second_each_gets_an_answer_and_one_runs(cluster, host):
    """With the stock MaxStartups, 10:30:100, which drops connections at random."""
    for number in range(ROUNDS):
        words = cluster.command(
            "--backend",
            host.url(cluster.share),
            "--tick",
            tick(number),
            "-c",
            'echo "$CRONGUARD_NODE" >> ran',
        )
        command = [sys.executable, HERE / "herd.py", NODES, 0.5, cluster.root / "output", *words[3:]]
        started = subprocess.run(
            list(map(str, command)), env=cluster.env("n{n}", **host.env), cwd=cluster.root, stdout=subprocess.PIPE,
            text=True, timeout=240, check=True,
        )  # fmt: skip
        assert (cluster.root / "output").read_text() == ""
        assert Counter(map(int, started.stdout.split())) == {0: 1, 75: NODES - 1}
        assert len((cluster.root / "ran").read_text().split()) == number + 1
    dropped = (host.folder / "log").read_text().count("past MaxStartups")
    print(f"{ROUNDS} rounds, {dropped} connections dropped by MaxStartups")
