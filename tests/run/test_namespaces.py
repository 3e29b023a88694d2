"""Runs in time namespaces, and in containers that have the same name."""

import subprocess

import pytest
from rig import shell, tick

CONTAINER = ["unshare", "--pid", "--uts", "--mount", "--fork", "--mount-proc", "--kill-child"]


def works(*command):
    return subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0


needs_time_namespaces = pytest.mark.skipif(
    not works("unshare", "--time", "--boottime=1"), reason="needs root and a kernel with time namespaces"
)
needs_containers = pytest.mark.skipif(not works(*CONTAINER), reason="needs root, to make namespaces")


@needs_time_namespaces
def test_what_a_run_saw_in_one_time_namespace_does_not_count_in_a_later_one(cluster):
    """The kernel gives the second namespace the number of the first, but its clock shows a much later time."""
    holder = cluster.start("--ttl", 60, "--tick", tick(1), *shell("read x"), stdin=subprocess.PIPE)
    cluster.wait_for_state("running")
    argv = ["--ttl", 60, "--tick", tick(2), *shell("echo an overlap")]
    for seconds in (1000, 500_000):
        shifted = ["unshare", "--time", f"--boottime={seconds}"]
        assert cluster.run(*argv, node="n2", wrapped_by=shifted) == (75, "", "")
    assert holder.popen.communicate("\n") == ("", "")
    assert holder.popen.returncode == 0
