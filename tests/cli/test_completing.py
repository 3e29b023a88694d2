"""Real shells complete names from a real store; from a store that hangs they soon get nothing."""

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fusefs import Fault, Mount, reason_not_to_mount

from cronguard.model.pause import Pause
from cronguard.model.pauses import Pauses, encode, pauses_key

COMPLETIONS = Path(__file__).resolve().parents[2] / "completions"
LIMIT = 60.0  # seconds; only a broken test takes so long
# Runs real completions; otherwise prints the words that the shell has made of the line.
PROGRAM = """#!/bin/sh
[ -z "$_CRONGUARD_COMPLETE" ] || exec {python} -m cronguard
printf '<%s>' "$@" end
"""
START = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}
SET_UP = {
    "bash": "source {file}; PS1='ready''> '",
    "zsh": "autoload -U compinit; compinit -u -D; source {file}; unsetopt zle_bracketed_paste; PROMPT='ready''> '",
}
JOBS = ("billing/nightly", "billing/nocturne", "reports/weekly")


class Terminal:
    """An interactive shell on its own terminal."""

    def __init__(self, name, env):
        self._shown = ""
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execvpe(name, START[name], {**env, "TERM": "dumb"})
        self._type(SET_UP[name].format(file=COMPLETIONS / f"cronguard.{name}") + "\n")
        self._wait_for("ready> ")

    def complete(self, line):
        """Type a line and a TAB; return the words that the command gets, and everything that was shown."""
        self._shown = ""
        self._type(f"{line}\t\n")
        self._wait_for("<end>")
        return re.findall(r"<([^<>]*)>", self._shown)[:-1], self._shown

    def close(self):
        with contextlib.suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
        os.close(self._fd)
        os.waitpid(self._pid, 0)

    def _type(self, text):
        os.write(self._fd, text.encode())

    def _wait_for(self, text):
        until = time.monotonic() + LIMIT
        while text not in self._shown:
            assert select.select([self._fd], [], [], max(0.0, until - time.monotonic()))[0], self._shown
            self._shown += os.read(self._fd, 65536).decode(errors="replace")


class Fish:
    """The same for fish, which can print its completions."""

    def __init__(self, env):
        self._env = env

    def complete(self, line):
        words = f"source {COMPLETIONS}/cronguard.fish; complete -C '{line}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", words], env=self._env, capture_output=True, text=True, check=True,
            stdin=subprocess.DEVNULL, timeout=LIMIT,
        )  # fmt: skip
        found = [offer.partition("\t")[0] for offer in done.stdout.splitlines()]
        prefix = os.path.commonprefix(found) or line.split()[-1]  # noqa: RUF071 - of words, as typed
        return [*line.split()[1:-1], prefix], done.stdout + done.stderr

    def close(self):
        pass


@pytest.fixture
def environment(node, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "cronguard").write_text(PROGRAM.format(python=sys.executable))
    (programs / "cronguard").chmod(0o755)
    return node.env | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "CRONGUARD_BACKEND": f"dir:{node.store}",
        "CRONGUARD_CONFIG": os.devnull,
        "LANG": "C.UTF-8",
    }


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request, environment):
    """Start the shell; the test may add variables to its environment."""
    if not shutil.which(request.param):
        pytest.skip(f"needs the package {request.param}")
    opened = []

    def start(**more):
        env = environment | more
        opened.append(Fish(env) if request.param == "fish" else Terminal(request.param, env))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture
def asked(node, environment):
    """Return the completions of the last word, requested as all of the shells do."""

    def ask(line, **more):
        words = {"_CRONGUARD_COMPLETE": "bash_complete", "COMP_WORDS": line}
        words["COMP_CWORD"] = str(len(line.split(" ")) - 1)
        done = node.call(env=environment | words | more)
        assert (done.returncode, done.stderr) == (0, "")
        return [offer.partition(",")[2] for offer in done.stdout.splitlines() if offer]

    return ask


@pytest.fixture
def jobs(node):
    for job in JOBS:
        ns, _, name = job.partition("/")
        assert node.run("--ns", ns, "--name", name).returncode == 0


@pytest.mark.usefixtures("jobs")
def test_a_shell_completes_what_the_store_knows(shell):
    terminal = shell()
    for typed, completed in [
        ("unlock billing/ni", ["unlock", "billing/nightly"]),
        ("history r", ["history", "reports/weekly"]),
        ("pause billing/n", ["pause", "billing/n"]),  # two begin like that
        ("pause --ns rep", ["pause", "--ns", "reports"]),
        ("lo", ["locks"]),
    ]:
        assert terminal.complete(f"cronguard {typed}")[0] == completed


def test_a_shell_gets_no_names_and_no_message_from_a_store_that_hangs(shell, tmp_path):
    if reason := reason_not_to_mount():
        pytest.skip(reason)
    (tmp_path / "under/v1").mkdir(parents=True)
    with Mount(tmp_path / "under", tmp_path / "mnt", tmp_path / "faults") as mount:
        terminal = shell(CRONGUARD_BACKEND=f"dir:{mount.path}")
        mount.faults.set(Fault("*", "hang"))
        for typed in (["unlock", "bil"], ["pause", "--ns", "bil"]):
            words, shown = terminal.complete(f"cronguard {' '.join(typed)}")
            assert words == typed
            assert not {"cronguard:", "hint:", "Traceback", "Error"} & set(shown.split())


@pytest.mark.usefixtures("jobs")
def test_every_command_that_takes_a_name_completes_known_names(asked):
    for command in ("unlock", "forget", "history", "pause"):
        assert asked(f"cronguard {command} billing/") == ["billing/nightly", "billing/nocturne"]
        assert asked(f"cronguard {command} ") == list(JOBS)
    for command in ("run", "locks", "queue", "history", "pause"):
        assert asked(f"cronguard {command} --ns ") == ["billing", "reports"]
    assert asked("cronguard unlock nonsense") == []


def test_nodes_are_completed_and_resume_completes_paused_names(node, asked):
    assert node.call("heartbeat", "--backend", f"dir:{node.store}").returncode == 0
    for command in ("pause", "forget"):
        assert asked(f"cronguard {command} --node w") == ["web1"]
    kept = Pause(0.0, None, "", "me")
    entry = node.store / "v1" / pauses_key("billing") / f"{1:020}"
    entry.mkdir(parents=True)
    (entry / "record.json").write_bytes(encode(Pauses(kept, {"nightly": kept}, "me", 1)))
    assert asked("cronguard resume ") == ["billing/nightly"]
    assert asked("cronguard resume --ns ") == ["billing"]
    assert asked("cronguard resume --node ") == []
    assert node.call("pause", "--backend", f"dir:{node.store}").returncode == 0
    assert asked("cronguard resume --node ") == ["web1"]


@pytest.mark.usefixtures("jobs")
def test_completion_uses_the_backend_on_the_command_line(node, asked):
    elsewhere = {"CRONGUARD_BACKEND": ""}
    assert asked("cronguard unlock b", **elsewhere) == []
    line = f"cronguard unlock --backend dir:{node.store} billing/ni"
    assert asked(line, **elsewhere) == ["billing/nightly"]


@pytest.mark.parametrize("backend", [
    "dir:/does/not/exist", "nonsense", "etcd://127.0.0.1:1/x", "ssh://127.0.0.1:1/x", "redis://u:secret@127.0.0.1:1",
])  # fmt: skip
def test_an_unusable_store_offers_nothing_and_prints_nothing(asked, backend):
    assert asked("cronguard unlock b", CRONGUARD_BACKEND=backend) == []


def test_a_wrong_configuration_offers_nothing_and_prints_nothing(asked, tmp_path):
    (tmp_path / "wrong.toml").write_text("nonsense = [")
    assert asked("cronguard unlock b", CRONGUARD_CONFIG=str(tmp_path / "wrong.toml")) == []
