"""A store that answers, but does not let runs do what they want: for a moment, or for good."""

import errno
import fcntl
import os
import subprocess
from contextlib import contextmanager

import pytest
from fusefs import Fault
from processes import LIMIT, boot, wait_until
from rig import PROGRAM, tick

GIVEN_UP = 2  # seconds
READ_ONLY = [
    Fault(call, "fail", errno=errno.EROFS)
    for call in ("mkdir", "create", "rename", "write", "rmdir", "unlink")
]
UNEXPORTED = [Fault("*", "fail", errno=errno.EACCES)]


def by_lock_files(cluster, *options, number=0):
    """Return the command line of a run on `file:`."""
    fixed = ["--log", "none", "--name", "job", "--backend", f"file:{cluster.share}", "--tick", tick(number)]
    return [*PROGRAM, "run", *fixed, "--backend-timeout", str(GIVEN_UP), *options, "--", "true"]


@contextmanager
def locked(cluster):
    """Hold the lock of the job's file, as a node does that died while it wrote."""
    subprocess.run(by_lock_files(cluster), env=cluster.env(), check=True)
    with open(cluster.share / "file-v1/lease/default/job.lock", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_lock_that_another_process_keeps_is_reported_as_that(cluster):
    with locked(cluster):
        command = by_lock_files(cluster, "-v", number=1)
        done = subprocess.run(command, env=cluster.env(), capture_output=True, text=True, check=False)
    assert done.returncode == 69
    assert "job.lock is locked: another process has not released it" in done.stderr


def test_a_run_that_waits_goes_on_until_the_lock_is_released(cluster):
    with locked(cluster):
        run = subprocess.Popen(by_lock_files(cluster, "--wait", "300", number=1), env=cluster.env())
        until = boot() + 3 * GIVEN_UP
        wait_until(lambda: boot() > until or run.poll() is not None)
        assert run.poll() is None
    assert run.wait(LIMIT) == 0


@pytest.mark.parametrize("faults", [READ_ONLY, UNEXPORTED], ids=["read-only", "unexported"])
def test_a_job_and_its_outcome_survive_a_moment_without_access(mounted, mount, faults):
    """The moment ends when the job has ended and its outcome could not be written."""
    ended = mounted.root / "ended"
    run = mounted.start(
        "--tick", tick(0), "--ttl", 60, "-c", f"touch began; until [ -e {ended} ]; do sleep 0.1; done"
    )
    wait_until((mounted.root / "began").exists, "the start")
    mount.faults.set(*faults)
    ended.touch()
    wait_until(mount.faults.hits, "an attempt to write the outcome")
    until = boot() + 2
    wait_until(lambda: boot() > until)
    mount.faults.clear()
    assert run.end() == (0, "", "")
    assert mounted.record().state == "done"


@pytest.mark.parametrize("faults", [READ_ONLY, UNEXPORTED], ids=["read-only", "unexported"])
def test_a_run_that_waits_survives_a_moment_without_access(mounted, mount, faults):
    go = mounted.root / "go"
    first = mounted.start(
        "--tick", tick(0), "--ttl", 60, "-c", f"touch began; until [ -e {go} ]; do sleep 0.1; done"
    )
    wait_until((mounted.root / "began").exists, "the start")
    waiting = mounted.start("--tick", tick(1), "--ttl", 60, "--wait", 300, "--", "true", node="n2")
    mount.faults.set(Fault("mkdir", "note"))
    wait_until(lambda: len(mount.faults.hits()) > 2, "a waiting run, which looks again and again")
    mount.faults.set(*faults)
    wait_until(lambda: len(mount.faults.hits()) > 2, "refused calls")
    mount.faults.clear()
    go.touch()
    assert first.end().status == 0
    assert waiting.end() == (0, "", "")


@pytest.mark.parametrize("faults", [READ_ONLY, UNEXPORTED], ids=["read-only", "unexported"])
@pytest.mark.parametrize("options", [(), ("--wait", 300), ("--if-unavailable", "run")])
def test_a_first_claim_without_access_fails_at_once_and_never_runs_unguarded(mounted, mount, faults, options):
    assert mounted.run("--tick", tick(0), "--", "true").status == 0
    mount.faults.set(*faults)
    done = mounted.run("--tick", tick(1), *options, "-c", "touch ran")
    assert done.status == 77, done.err
    assert not os.path.exists(mounted.root / "ran")


@pytest.mark.parametrize("scheme", ["dir", "file"])
@pytest.mark.parametrize(
    "listing",
    [
        "locks",
        "locks --json",
        "locks --paused",
        "history default/job",
        "history",
        "nodes",
        "queue",
        "metrics",
    ],
)
def test_a_listing_of_a_share_that_is_not_mounted_fails_as_a_run_does(cluster, scheme, listing):
    """An empty directory is where the share is mounted otherwise."""
    store = ["--backend", f"{scheme}:{cluster.share}"]
    command = [*PROGRAM, *listing.split(), *store]
    run = [*PROGRAM, "run", "--log", "none", "--name", "job", *store, "--", "true"]
    subprocess.run(run, env=cluster.env(), check=True)
    subprocess.run(command, env=cluster.env(), check=True, capture_output=True)
    os.rename(cluster.share, cluster.root / "elsewhere")
    cluster.share.mkdir()
    done = subprocess.run(command, env=cluster.env(), capture_output=True, text=True, check=False)
    assert done.returncode == 69, done
    assert "is gone, but this node has used it" in done.stderr
    assert done.stdout == "" or "cronguard_backend_up 0" in done.stdout
    assert os.listdir(cluster.share) == []


def test_a_node_that_has_only_looked_at_a_store_knows_that_there_was_one(cluster):
    assert cluster.run("--", "true").status == 0
    look = [*PROGRAM, "locks", "--backend", f"dir:{cluster.share}"]
    subprocess.run(look, env=cluster.env("n2"), check=True, capture_output=True)
    os.rename(cluster.share, cluster.root / "elsewhere")
    cluster.share.mkdir()
    assert subprocess.run(look, env=cluster.env("n2"), capture_output=True, check=False).returncode == 69


def test_a_listing_of_a_new_store_is_empty(cluster):
    look = [*PROGRAM, "locks", "--backend", f"dir:{cluster.share}"]
    done = subprocess.run(look, env=cluster.env(), capture_output=True, text=True, check=True)
    assert done.stdout == "no locks\n"


@pytest.mark.parametrize("scheme", ["dir", "file"])
@pytest.mark.parametrize("command", ["unlock", "unlock --force", "forget"])
def test_a_command_for_a_misspelt_job_creates_nothing(cluster, scheme, command):
    store = ["--backend", f"{scheme}:{cluster.share}"]
    subprocess.run(
        [*PROGRAM, "run", "--log", "none", "--name", "job", *store, "--", "true"],
        env=cluster.env(),
        check=True,
    )
    before = sorted(cluster.share.rglob("*"))
    for misspelt in ("default/jbo", "defualt/job"):
        words = [*PROGRAM, *command.split(), misspelt, *store]
        done = subprocess.run(words, env=cluster.env(), capture_output=True, text=True, check=False)
        assert done.returncode == 64 and "there is no such job" in done.stderr
    assert sorted(cluster.share.rglob("*")) == before
