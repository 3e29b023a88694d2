"""Old versions on storage where each unlink waits: for a dead node's delegation on NFS 4, for ever in these tests."""

import os
import subprocess

import pytest
from fusefs import Fault
from processes import wait_until, words
from rig import PROGRAM, tick

from cronguard.store.files.versioned import KEPT

TTL = 5
UNLINKING = Fault("unlink", "hang", path="*/record.json")


@pytest.fixture
def old(mounted):
    """Nodes with a job of so many versions that each new one makes another superfluous."""
    for number in range(KEPT // 2):
        assert mounted.run("--tick", tick(number), "--", "true").status == 0
    return mounted


def trash(cluster):
    return os.listdir(cluster.under / "v1/.trash")


def stuck(cluster):
    return [seen.pid for seen in cluster.left() if "cronguard" in words(seen.pid)]


def test_a_job_is_renewed_and_settled_while_nothing_can_be_unlinked(old, mount):
    mount.faults.set(UNLINKING)
    job = ("--ttl", TTL, "--", "sleep", 2 * TTL)
    assert old.run("--tick", tick(20), *job) == (0, "", "")
    assert old.record().state == "done"
    assert mount.faults.has_hung()


def test_a_second_process_does_not_hang_behind_the_first(old, mount):
    mount.faults.set(UNLINKING)
    hung = None
    for number in range(20, 24):
        assert old.run("--tick", tick(number), "--ttl", TTL, "--", "sleep", 1) == (0, "", "")
        hung = hung or wait_until(lambda: stuck(old), "the process that hangs")
        assert stuck(old) == hung
    assert len(hung) == 1
    assert len(trash(old)) == 8


def test_what_runs_have_left_is_removed_by_a_later_run_or_heartbeat(old, mount):
    """Runs can be shorter than their tidying takes, or die; other commands leave it to them."""
    mount.faults.set(UNLINKING)
    assert old.run("--tick", tick(20), "--ttl", TTL, "--", "sleep", 1).status == 0
    assert trash(old)
    mount.faults.clear()
    wait_until(lambda: not stuck(old), "the end of what hung")
    beat = [*PROGRAM, "heartbeat", "--backend", f"dir:{old.share}"]
    subprocess.run(beat, env=old.env(), check=True, capture_output=True)
    assert trash(old) == []
    for number in (21, 22):  # the second finds what the first has put away in the end
        until_tidy = f'until [ -z "$(ls {old.under}/v1/.trash)" ]; do sleep 0.1; done'
        assert old.run("--tick", tick(number), "-c", until_tidy).status == 0


def test_a_heartbeat_is_not_held_up_by_what_cannot_be_unlinked(old, mount):
    mount.faults.set(UNLINKING)
    old.run("--tick", tick(20), "--", "true")
    beat = [*PROGRAM, "heartbeat", "--interval", "1s", "--backend", f"dir:{old.share}"]
    with subprocess.Popen(beat, env=old.env(), stdout=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: len(list(old.under.glob("v1/node/cluster/n1/*"))) >= 4, "four heartbeats")
        finally:
            process.kill()
