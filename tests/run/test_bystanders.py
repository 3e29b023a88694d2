"""What is killed: the processes of the job and nothing else, whatever PIDs processes have."""

import subprocess
import sys

import pytest
from members import HERE
from processes import LIMIT

ALONE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@pytest.mark.parametrize("moment", ["successor", "number"])
def test_a_keeper_that_finds_its_guard_dead_kills_no_bystander(cluster, moment):
    if subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs PID namespaces, so root")
    run = cluster.command("--ttl", 60, "--", "sleep", "600")
    done = subprocess.run(
        [*ALONE, sys.executable, HERE / "namespace_bystander.py", moment, *run],
        env=cluster.env(), timeout=2 * LIMIT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr)
