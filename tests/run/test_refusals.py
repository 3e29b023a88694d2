"""What the kernel may refuse: processes, threads, handles on processes, and a look at those of others."""

import errno
import os
import resource
import shutil
import subprocess
import sys

import pytest
from members import HERE, Member
from processes import mentioning, wait_until
from rig import shell

UID = 54399


def as_user(uid=UID):
    """Return a command that becomes another as a user who may read everything, as this Python may be root's."""
    caps = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", *caps, "--"]


OWN_PROC = ["unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=2 proc /proc && exec "$@"', "sh"]


def require(*command):
    done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{command[0]} does not work here (it needs root): {done.stderr.strip()}")


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
@pytest.mark.parametrize("line", ["{} & wait", "setsid {} & wait", "env -i setsid {} & wait"])
def test_a_run_is_stopped_completely_where_the_kernel_gives_no_pidfds(cluster, tmp_path, number, line):
    member = Member(tmp_path / "member", "stubborn")
    text = line.format(" ".join(member.command))
    wrapped = (sys.executable, HERE / "no_pidfd.py", str(number))
    done = cluster.run("--timeout", 2, "--kill-after", 0.5, *shell(text), wrapped_by=wrapped)
    assert done.status == 124, done.err
    assert member.first_seen
    member.wait_until_gone()


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_a_run_that_gets_too_few_processes_reports_that_and_leaves_no_lease(cluster, processes):
    """One is the guard, two and three are the keeper and its second thread; then comes the command."""
    user = as_user(
        UID + processes
    )  # nobody else's, not even of a test beside this one: the limit is the user's
    require(*user)
    limited = ["prlimit", f"--nproc={processes}", *user]
    assert (
        cluster.run("--", "true", job="other").status == 0
    )  # the store is in use, which needs no process to find out
    done = cluster.run("--", "true", wrapped_by=limited)
    assert (done.status, done.out) == (126, ""), done.err
    assert done.err.startswith("cronguard: no process could be started: "), done.err
    assert "hint: check the limits of this user" in done.err
    record = cluster.record()
    assert record is None or record.state == "cancelled"


def test_a_set_uid_process_that_is_invisible_keeps_the_run_and_its_lease(cluster, tmp_path):
    require(*OWN_PROC, *as_user())
    program, fifo = tmp_path / "suid-cat", tmp_path / "fifo"
    shutil.copy("/bin/cat", program)
    program.chmod(0o4755)
    os.mkfifo(fifo)
    os.chmod(cluster.share, 0o777)
    (cluster.root / "state").mkdir(mode=0o777)
    run = cluster.start("--ttl", 5, *shell(f"{program} {fifo} & exit 0"), wrapped_by=[*OWN_PROC, *as_user()])
    wait_until(
        lambda: [seen for seen in mentioning(str(program)) if seen.parent == run.pid], "the set-uid process"
    )
    first = cluster.wait_for_state("running").beat
    wait_until(lambda: cluster.record().beat > first + 5, "five renewals")
    assert cluster.record().state == "running"
    fifo.write_text("")
    assert run.end().status == 0
    assert cluster.record().state == "done"


STILLBORN = """
import os, signal, sys
from cronguard.cli.main import main
from cronguard.run.process import Process
release = Process.release
def kill_and_release(self, *deadline):
    os.kill(self.pid, signal.SIGKILL)
    os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
    release(self, *deadline)
Process.release = kill_and_release
sys.exit(main(sys.argv[1:]))
"""


def test_a_command_that_is_killed_before_it_could_start_is_settled_as_cancelled(cluster):
    words = cluster.command("-c", "echo started")
    done = subprocess.run(
        [sys.executable, "-c", STILLBORN, *words[words.index("run") :]],
        env=cluster.env(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (126, "")
    assert "killed before the command could start" in done.stderr
    assert cluster.record().state == "cancelled"


FOREIGN_PROC = ["unshare", "--pid", "--fork", "--kill-child"]  # its processes see the /proc of those outside


def test_a_proc_of_another_pid_namespace_is_refused(cluster):
    """Its numbers are those of strangers: a run would settle while its processes live, and kill others."""
    require(*FOREIGN_PROC)
    done = cluster.run("-c", "echo ran", wrapped_by=FOREIGN_PROC)
    assert (done.status, done.out) == (78, "")
    assert "/proc is of another PID namespace" in done.err
    assert cluster.record() is None


def test_a_command_that_would_start_in_another_pid_namespace_is_refused(cluster):
    require("unshare", "--pid", "--fork")
    done = cluster.run("-c", "echo ran", wrapped_by=["unshare", "--pid"])
    assert (done.status, done.out) == (78, "")
    assert "start cronguard with unshare --pid --fork" in done.err
    assert cluster.record() is None


def test_a_guard_without_descriptors_for_a_moment_keeps_its_job(cluster, tmp_path):
    """It has no descriptor to look for what is left with, so it waits until it has."""
    member = Member(tmp_path / "member")
    run = cluster.start("--ttl", 5, *shell(f"{' '.join(member.command)} & exit 0"))
    member.process()
    cluster.wait_for_state("running")
    hard = resource.prlimit(run.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (3, hard))
    first = cluster.record().beat
    wait_until(lambda: cluster.record().beat > first + 3, "three renewals")
    assert member.is_alive
    resource.prlimit(run.pid, resource.RLIMIT_NOFILE, (256, hard))
    member.tell_to_end()
    assert run.end().status == 0
    assert cluster.record().state == "done"
