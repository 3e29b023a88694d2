"""Runs in time namespaces, and in containers that have the same name."""

import shlex
import signal
import subprocess

import pytest
from processes import boot, wait_until
from rig import PROGRAM, shell, tick

CONTAINER = ["unshare", "--pid", "--uts", "--mount", "--fork", "--mount-proc", "--kill-child"]
BOOT_ID = "/proc/sys/kernel/random/boot_id"


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


@needs_containers
def test_three_containers_with_one_name_run_a_tick_once(cluster):
    """Each has its own cron, and on one machine they have the same boot ID."""
    argv = ["--tick", tick(1), *shell("echo ran")]
    assert cluster.run(*argv, wrapped_by=CONTAINER) == (0, "ran\n", "")
    for _ in range(2):
        assert cluster.run(*argv, wrapped_by=CONTAINER) == (75, "", "")
    assert cluster.run(*argv) == (75, "", "")  # the machine itself, which may have the same name


@needs_containers
def test_a_person_can_run_a_line_again_in_its_container(cluster):
    line = " ".join(map(shlex.quote, cluster.command("--tick", tick(1), *shell("echo ran"))))
    done = subprocess.run(
        [*CONTAINER, "sh", "-c", f"{line}; {line}"],
        env=cluster.env(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ran\nran\n"


@needs_containers
def test_a_container_for_each_run_takes_over_what_its_predecessors_watched(cluster):
    """What a container saw counts in the next one that has its state directory: they share the machine's boot clock."""
    holder = cluster.start("--ttl", 5, "--tick", tick(1), *shell("sleep 600"))
    cluster.wait_for_state("running")
    for process in [holder.keeper(), holder.job(), holder.guard]:  # found before the first of them is killed
        process.send(signal.SIGKILL)
    argv = ["--ttl", 5, "--tick", tick(2), *shell("echo ran")]
    began = boot()
    assert cluster.run(*argv, node="n2", wrapped_by=CONTAINER).status == 75
    wait_until(lambda: boot() > began + 7, "the end of the lease")
    assert cluster.run(*argv, node="n2", wrapped_by=CONTAINER) == (0, "ran\n", "")


@needs_containers
def test_a_run_is_refused_while_another_machine_sends_heartbeats_under_this_name(cluster):
    if boot() < 120:
        pytest.skip("a heartbeat of this machine before its last boot would look the same")
    (cluster.root / "id").write_text("0123456789abcdef0123456789abcdef\n")
    (cluster.root / "boot").write_text("01234567-89ab-cdef-0123-456789abcdef\n")
    disguise = 'mount --bind "$0/id" /etc/machine-id && mount --bind "$0/boot" "$1" && shift && exec "$@"'
    elsewhere = ["unshare", "--mount", "sh", "-c", disguise, str(cluster.root), BOOT_ID]
    beat = [*PROGRAM, "heartbeat", "--backend", f"dir:{cluster.share}"]
    state = {"CRONGUARD_STATE_DIR": f"{cluster.root}/elsewhere"}
    subprocess.run([*elsewhere, *beat], env=cluster.env(**state), check=True)
    status, out, err = cluster.run(*shell("echo ran"))
    assert (status, out) == (78, "") and "another machine is also called n1 and sends heartbeats" in err
    assert cluster.run(*shell("echo ran"), wrapped_by=elsewhere, env=state) == (0, "ran\n", "")
    assert (
        cluster.run("--tick", tick(1), *shell("echo ran"), node="n2").status == 75
    )  # by any other name, as ever
