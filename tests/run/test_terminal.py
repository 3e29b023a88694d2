"""On a terminal the command is in the foreground, and the keys reach it."""

import fcntl
import os
import pty
import signal
import subprocess
import termios
from contextlib import suppress

import pytest
from processes import LIMIT, Seen, boot, children, wait_until, words
from rig import Run


class Terminal:
    """A terminal with a person typing on it, and the program that was started there."""

    def __init__(self, cluster, *command):
        self._cluster = cluster
        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        self._text = b""
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=cluster.env(PS1="ready> ", TERM="dumb"),
            cwd=cluster.root,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no threads here
        )
        os.close(theirs)

    def type(self, text):
        os.write(self._ours, text.encode())

    @property
    def text(self):
        """All the text that the terminal has shown."""
        with suppress(BlockingIOError, OSError):
            while more := os.read(self._ours, 65536):
                self._text += more
        return self._text.decode(errors="replace").replace("\r\n", "\n")

    def wait_for(self, text, times=1):
        try:
            wait_until(lambda: self.text.count(text) >= times, repr(text))
        except AssertionError:
            pytest.fail(f"{text!r} is not {times} times in {self.text!r}")

    def end(self):
        wait_until(lambda: self.text is not None and self.process.poll() is not None, "the end")
        return self.process.returncode

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def start(cluster):
    """Starts a guarded shell line as the only program on its own terminal."""
    terminals = []

    def start(line, *options):
        terminals.append(Terminal(cluster, *cluster.command(*options, "-c", line)))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def bash(cluster):
    """An interactive shell with job control."""
    terminal = Terminal(cluster, "/bin/bash", "--norc", "--noprofile", "-i")
    terminal.wait_for("ready> ")
    yield terminal
    terminal.close()


def guarded(cluster, line, *options):
    """Return a line for the shell that runs `line` guarded."""
    return " ".join(f"'{word}'" for word in cluster.command(*options, "-c", line)) + "\n"


def guard_of(bash):
    """Return the run that the shell has started."""
    found = wait_until(lambda: children(bash.process.pid), "the guard")[0]

    class Started:
        pid = found.pid

    run = Run(Started)
    return run, run.job()


def test_the_command_has_the_foreground_and_reads_what_is_typed(start):
    terminal = start('echo listening; read word; echo "heard: $word"')
    terminal.wait_for("listening")
    terminal.type("hello\n")
    terminal.wait_for("heard: hello")
    assert terminal.end() == 0


def test_the_commands_group_is_the_terminals_foreground(start):
    terminal = start("echo listening; sleep 1000")
    terminal.wait_for("listening")
    job = Run(terminal.process).job()
    assert job.foreground == job.group


@pytest.mark.parametrize(("key", "status"), [("\x03", 130), ("\x1c", 131)], ids=["Ctrl-C", "Ctrl-backslash"])
def test_the_keys_that_kill_a_command_end_the_run_with_its_status(start, cluster, key, status):
    terminal = start("ulimit -c 0; exec sleep 1000")
    wait_until(lambda: words(Run(terminal.process).job().pid)[0] == "sleep", "the exec")
    terminal.type(key)
    assert terminal.end() == status
    assert cluster.record().state == "failed"


def test_a_command_that_handles_the_key_continues(start):
    terminal = start("trap 'echo heard; exit 3' INT; echo listening; while :; do sleep 0.05; done")
    terminal.wait_for("listening")
    terminal.type("\x03")
    terminal.wait_for("heard")
    assert terminal.end() == 3


def test_the_key_that_stops_a_command_stops_guard_and_command_and_both_continue(start):
    terminal = start("echo listening; read word; echo $word", "--ttl", 10 * LIMIT)
    terminal.wait_for("listening")
    run = Run(terminal.process)
    job = run.job()
    terminal.type("\x1a")
    wait_until(lambda: run.guard.is_stopped and job.is_stopped, "the stop of both")
    run.send(signal.SIGCONT)
    wait_until(lambda: not run.guard.is_stopped and not job.is_stopped, "the going on of both")
    terminal.type("again\n")
    assert terminal.end() == 0
    assert "again\nagain\n" in terminal.text


def test_stopping_and_continuing_the_guard_stops_and_continues_the_command_too(cluster):
    run = cluster.start("--ttl", 10 * LIMIT, "--", "sleep", "1000")
    job = run.job()
    run.send(signal.SIGTSTP)
    wait_until(lambda: run.guard.is_stopped and job.is_stopped, "the stop of both")
    run.send(signal.SIGCONT)
    wait_until(lambda: not run.guard.is_stopped and not job.is_stopped, "the going on of both")
    run.send(signal.SIGTERM)
    assert run.end() == (143, "", "")


def test_a_shell_gets_its_terminal_back(bash, cluster):
    bash.type(guarded(cluster, "exit 5"))
    bash.wait_for("ready> ", 2)
    bash.type("echo status $?\n")
    bash.wait_for("\nstatus 5\n")


def test_a_shell_can_stop_a_guarded_command_and_bring_it_to_the_foreground_again(bash, cluster):
    bash.type(guarded(cluster, 'echo listening; read word; echo "heard: $word"', "--ttl", 10 * LIMIT))
    bash.wait_for("listening\n")
    bash.type("\x1a")
    bash.wait_for("Stopped")
    bash.type("echo still $((40 + 2))\n")
    bash.wait_for("\nstill 42\n")
    bash.type("fg\n")
    _, job = guard_of(bash)
    wait_until(lambda: Seen.of(job.pid).foreground == job.group, "the foreground")
    bash.type("hello\n")
    bash.wait_for("heard: hello")
    bash.type("echo status $?\n")
    bash.wait_for("\nstatus 0\n")


def test_a_shell_keeps_its_terminal_when_a_guarded_command_continues_in_the_background(bash, cluster):
    # The line starts no programs: between vfork and the program's exec, a shell is in the kernel and cannot be stopped.
    os.mkfifo(cluster.root / "end")
    bash.type(guarded(cluster, "echo listening; read word <end; echo over", "--ttl", 10 * LIMIT))
    bash.wait_for("listening\n")
    bash.type("\x1a")
    bash.wait_for("Stopped")
    run, job = guard_of(bash)
    bash.type("bg\n")
    wait_until(lambda: not run.guard.is_stopped and not job.is_stopped, "the going on of both")
    began = boot()
    wait_until(lambda: boot() > began + 1)
    assert Seen.of(job.pid).foreground == bash.process.pid
    bash.type("echo still $((40 + 2))\n")
    bash.wait_for("\nstill 42\n")
    (cluster.root / "end").write_text("now\n")
    bash.wait_for("over\n")
    bash.type("wait; echo stiller $((40 + 3))\n")
    bash.wait_for("\nstiller 43\n")


def test_a_run_started_in_the_background_can_be_brought_to_the_foreground(bash, cluster):
    line = 'echo listening; while ! test -e go; do sleep 0.05; done; read word; echo "heard: $word"'
    bash.type(guarded(cluster, line, "--ttl", 10 * LIMIT).replace("\n", " &\n"))
    bash.wait_for("listening\n")
    _, job = guard_of(bash)
    assert Seen.of(job.pid).foreground == bash.process.pid
    bash.type("fg\n")
    (cluster.root / "go").touch()
    wait_until(lambda: Seen.of(job.pid).foreground == job.group, "the foreground")
    bash.type("hello\n")
    bash.wait_for("heard: hello")


def test_ctrl_c_reaches_a_command_whose_stdin_is_not_the_terminal(bash, cluster):
    line = "echo listening; exec sleep 1000"
    bash.type(guarded(cluster, line).replace("\n", " < /dev/null\n"))
    bash.wait_for("listening\n")
    run, _ = guard_of(bash)
    wait_until(lambda: words(run.job().pid)[0] == "sleep", "the exec")
    bash.type("\x03")
    bash.wait_for("ready> ", 2)
    bash.type("echo status $?\n")
    bash.wait_for("\nstatus 130\n")
