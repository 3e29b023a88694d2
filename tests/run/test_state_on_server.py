"""A state directory on a file server: runs use a directory on a local disk instead, and forget no store."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from fusefs import Fault
from rig import PROGRAM, shell, tick

from cronguard.system.statedir import StateDir
from cronguard.system.substitute import place_of

HUNG = Fault("*", "hang")


@pytest.fixture
def state_dir(tmp_path, mount):
    """The path of a state directory on storage that fails on request."""
    path = f"{tmp_path}/mnt/state"
    yield path
    mount.faults.clear()
    shutil.rmtree(place_of(path, os.geteuid()), ignore_errors=True)
    with suppress(OSError):  # it has others
        os.rmdir(os.path.dirname(place_of(path, os.geteuid())))


@pytest.fixture
def run(cluster, state_dir):
    """Run a tick with that state directory and a store elsewhere."""
    return lambda number, **more: cluster.run(
        "--backend-timeout",
        6,
        "--tick",
        tick(number),
        *shell("echo ran"),
        env={"CRONGUARD_STATE_DIR": state_dir},
        **more,
    )


def unmount(cluster):
    """Replace the share by an empty directory, as if it were not mounted."""
    cluster.share.rename(f"{cluster.share}-old")
    cluster.share.mkdir()


def test_a_state_directory_on_a_server_that_hangs_stops_no_run(mount, run):
    assert run(1) == (0, "ran\n", "")
    mount.faults.set(HUNG)
    assert run(2) == (0, "ran\n", "")


def test_a_run_that_is_skipped_keeps_what_it_saw_on_the_local_disk(cluster, run, state_dir, mount):
    holder = cluster.start("--tick", tick(1), *shell("read x"), node="n2", stdin=subprocess.PIPE)
    cluster.wait_for_state("running")
    mount.faults.set(HUNG)
    assert run(2).status == 75
    assert os.listdir(f"{place_of(state_dir, os.geteuid())}/node/n1/seen")
    holder.popen.communicate("\n")


def test_a_store_that_was_used_is_remembered_in_both_places(cluster, run, state_dir):
    run(1)
    assert os.listdir(f"{state_dir}/store") == os.listdir(f"{place_of(state_dir, os.geteuid())}/store")
    shutil.rmtree(place_of(state_dir, os.geteuid()))  # as when the disk is cleaned up
    unmount(cluster)
    refused = run(2)
    assert refused.status == 69 and "is gone, but this node has used it" in refused.err


def test_a_server_that_hangs_may_have_the_marker(cluster, run, state_dir, mount):
    run(1)
    shutil.rmtree(place_of(state_dir, os.geteuid()))
    unmount(cluster)
    mount.faults.set(HUNG)
    refused = run(2)
    assert refused.status == 69 and "this node may have used it" in refused.err


def test_the_marker_outlives_a_server_that_is_no_longer_mounted(cluster, run, state_dir, mount):
    """Then the path is on the local disk, and the state directory there is new."""
    run(1)
    unmount(cluster)
    alone = ["unshare", "--mount", "sh", "-c", 'umount -l "$0" && exec "$@"', mount.path]
    if subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("cannot unmount here")
    refused = run(2, wrapped_by=alone)
    assert refused.status == 69 and "is gone, but this node has used it" in refused.err


def test_the_folder_of_the_local_backend_does_not_move(cluster, state_dir):
    options = [*PROGRAM, "run", "--backend", "local", "--log", "none", "--name", "job", *shell("echo ran")]
    env = cluster.env(CRONGUARD_STATE_DIR=state_dir)
    subprocess.run(options, env=env, check=True, capture_output=True)
    assert [path.name for path in Path(state_dir).rglob("job")] == ["job"]


def test_a_place_that_another_user_has_made_is_not_used(state_dir):
    if os.geteuid() != 0:
        pytest.skip("gives a directory to another user")
    place = place_of(state_dir, 54321)
    os.mkdir(os.path.dirname(place))
    try:
        found = subprocess.run(
            ["unshare", "--user", "--map-user=54321", PROGRAM[0], "-c",
             "import sys; from cronguard.system.statedir import StateDir; print(StateDir(sys.argv[1], 'n1').base)", state_dir],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert found.stdout == f"{place}\n"  # root's directory is this user's in that namespace
        os.chown(os.path.dirname(place), 12345, -1)
        assert StateDir(state_dir, "n1").base == place_of(state_dir, 0)
        found = subprocess.run([*found.args], capture_output=True, text=True, check=True)
        assert found.stdout == f"{state_dir}\n"
    finally:
        os.rmdir(os.path.dirname(place))
