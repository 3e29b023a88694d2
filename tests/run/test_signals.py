"""Signals that are sent to the guard are forwarded to the command."""

import signal
import subprocess
import sys

import pytest
from members import HERE, PYTHON, Member
from processes import wait_until
from rig import shell, tick

# A command is stopped, and is killed right after its parent has seen that. This happens when the keeper kills the job
# of a guard that wakes late.
KILLED_MEANWHILE = """
import os, signal
from cronguard.run.process import Process
process = Process("/bin/sleep", ["sleep", "1000"], {})
process.release()
os.kill(process.pid, signal.SIGSTOP)
wait = os.waitid
wait(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
def wait_then_kill(kind, number, flags):
    seen = wait(kind, number, flags)
    if flags & os.WNOWAIT:
        os.kill(number, signal.SIGKILL)
        wait(kind, number, os.WEXITED | os.WNOWAIT)
    return seen
os.waitid = wait_then_kill
process.look()
process.look()
print(process.status, process.is_stopped)
"""


class Listening:
    """A run whose command notes the signals that it hears."""

    def __init__(self, cluster, *prefix):
        self.file = cluster.root / "heard"
        command = [*PYTHON, HERE / "listener.py", self.file]
        self.run = cluster.start("--", *command, **({"preexec_fn": prefix[0]} if prefix else {}))
        wait_until(lambda: "listening" in self.heard, "the listener")

    @property
    def heard(self):
        return self.file.read_text().split() if self.file.exists() else []

    def end(self):
        self.file.with_name("heard.end").touch()
        return self.run.end()


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT"])
def test_a_signal_to_the_guard_reaches_the_command_once(cluster, name):
    listening = Listening(cluster)
    listening.run.send(getattr(signal, f"SIG{name}"))
    wait_until(lambda: name in listening.heard, f"SIG{name}")
    assert listening.end() == (0, "", "")
    assert listening.heard == ["listening", name]
    assert cluster.record().state == "done"


def test_a_command_stopped_by_a_signal_to_the_guard_is_cancelled_and_may_run_again(cluster):
    run = cluster.start("--tick", tick(1), "--", "sleep", "1000")
    run.job()
    run.send(signal.SIGTERM)
    assert run.end() == (143, "", "")
    assert cluster.record().state == "cancelled"
    assert cluster.run("--tick", tick(1), *shell("exit 3"), node="n2").status == 3


def test_the_command_ignores_the_signals_that_nohup_made_the_guard_ignore(cluster):
    listening = Listening(cluster, lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    listening.run.send(signal.SIGHUP)
    listening.run.send(signal.SIGUSR1)
    wait_until(lambda: "USR1" in listening.heard, "SIGUSR1")
    assert listening.end() == (0, "", "")
    assert listening.heard == ["listening", "USR1"]


def test_a_signal_while_waiting_ends_the_run_and_claims_nothing(cluster, tmp_path):
    holder = Member(tmp_path / "holder")
    first = cluster.start("--tick", tick(1), "--", *holder.command)
    holder.process()
    waiting = cluster.start("--tick", tick(2), "--wait", "600", *shell("touch ran"), node="n2")
    waiting.keeper()
    waiting.send(signal.SIGTERM)
    assert waiting.end().status == 143
    holder.tell_to_end()
    assert first.end() == (0, "", "")
    assert cluster.record().tick.label == tick(1)
    assert not (tmp_path / "ran").exists()


def test_a_stopped_command_that_is_killed_while_its_state_is_read_counts_as_killed():
    done = subprocess.run(
        [sys.executable, "-c", KILLED_MEANWHILE], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("137 False\n", "")
