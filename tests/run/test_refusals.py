"""What the kernel may refuse: processes, threads, handles on processes, and a look at those of others."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
from members import HERE, Member
from processes import mentioning, wait_until
from rig import shell

UID = 54399  # of nobody else: the limit on processes counts those of a user
AS_USER = [
    "setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups",
    "--inh-caps", "+dac_override", "--ambient-caps", "+dac_override", "--",
]  # fmt: skip
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
    require(*AS_USER)
    limited = ["prlimit", f"--nproc={processes}", *AS_USER]
    os.chmod(cluster.share, 0o777)
    (cluster.root / "state").mkdir(mode=0o777)
    done = cluster.run("--", "true", wrapped_by=limited)
    assert (done.status, done.out) == (126, ""), done.err
    assert done.err.startswith("cronguard: no process could be started: "), done.err
    assert "hint: check the limits of this user" in done.err
    record = cluster.record()
    assert record is None or record.state == "cancelled"


def test_a_set_uid_process_that_is_invisible_keeps_the_run_and_its_lease(cluster, tmp_path):
    require(*OWN_PROC, *AS_USER)
    program, fifo = tmp_path / "suid-cat", tmp_path / "fifo"
    shutil.copy("/bin/cat", program)
    program.chmod(0o4755)
    os.mkfifo(fifo)
    os.chmod(cluster.share, 0o777)
    (cluster.root / "state").mkdir(mode=0o777)
    run = cluster.start("--ttl", 5, *shell(f"{program} {fifo} & exit 0"), wrapped_by=[*OWN_PROC, *AS_USER])
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
