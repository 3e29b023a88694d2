"""Nodes as processes: each call is `python -m cronguard` with its own home and state directory."""

import os
import shutil
import subprocess
import sys

import cronguard

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(cronguard.__file__)))
IMPORTED_FROM = os.pathsep.join(
    filter(None, [ROOT, os.environ.get("PYTHONPATH")])
)  # the package under test first
PLAIN = (sys.executable, "-m", "cronguard")
# The same with a wrong wall clock in the process; the store still has the right one.
SKEWED = """
import sys, time
right = time.time
time.time = lambda: right() + float(sys.argv[1])
from cronguard.cli.main import main
sys.exit(main(sys.argv[2:]))
"""
# Root without the capability to ignore file modes, which other users do not have anyway.
BOUND_BY_MODES = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
    if os.geteuid() == 0 and shutil.which("setpriv")
    else ()
)


class Node:
    """A server with its own home and state, which shares a directory with the others."""

    def __init__(self, home, store, name="web1"):
        self.home, self.store = home, store
        home.mkdir(exist_ok=True)
        self.marker = home / "ran"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LOGNAME": "app",
            "PYTHONPATH": IMPORTED_FROM,
        }
        self.env |= {
            "CRONGUARD_STATE_DIR": str(home / "state"),
            "CRONGUARD_NODE": name,
            "CRONGUARD_LOG": "none",
        }

    def call(self, *argv, how=PLAIN, env=(), **more):
        """Run a command line to its end."""
        given = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, **more}
        return subprocess.run([*how, *argv], env={**self.env, **dict(env)}, check=False, timeout=120, **given)

    def start(self, *argv, env=()):
        """Start a command line whose standard input and output the test holds."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([*PLAIN, *argv], env={**self.env, **dict(env)}, text=True, **pipes)

    def run(self, *options, command=None, **more):
        """Guard the given command, or one that leaves a mark, with the shared directory as the backend."""
        where = (
            ()
            if any(str(option).startswith("--backend=") for option in options)
            else ("--backend", f"dir:{self.store}")
        )
        return self.call("run", *where, *options, "--", *(command or ("touch", str(self.marker))), **more)

    def has_run(self):
        """Return whether the command has run since the last call of this method."""
        found = self.marker.exists()
        self.marker.unlink(missing_ok=True)
        return found

    def skewed(self, seconds):
        """Return how to call cronguard with a clock that is wrong by this many seconds."""
        return (sys.executable, "-c", SKEWED, str(seconds))


def told(done, status, *values):
    """Check the status, and that stderr has one clear line and at most one hint."""
    lines = done.stderr.splitlines()
    assert done.returncode == status, (done.returncode, done.stderr)
    assert done.stdout == ""
    assert 1 <= len(lines) <= 2, done.stderr
    assert lines[0].startswith("cronguard: ") and not lines[0].endswith(".")
    assert lines[1:] == [line for line in lines[1:] if line.startswith("hint: ")]
    for value in values:
        assert str(value) in lines[0], (value, lines[0])


def content(folder):
    """Return all files below a directory with their content."""
    return {
        os.path.join(where, name): open(os.path.join(where, name), "rb").read()
        for where, _, names in os.walk(folder)
        for name in names
    }


def record_file(store, job="default/j", version=1):
    """Return where a shared directory keeps the lease of a job."""
    folder = store / "v1" / "lease" / job / f"{version:020}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "record.json"
