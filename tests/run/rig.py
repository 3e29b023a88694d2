"""Runs of cronguard as real processes: a cluster of nodes on one machine, and ways to observe them."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from processes import LIMIT, Seen, boot, children, mentioning, wait_until, words

from cronguard.model.record import decode
from cronguard.store.files.directory import DirectoryBackend
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

BEGAN = time.time()
# What the runs execute: this checkout, or another build of it, such as dist/cronguard.
_BUILT = os.environ.get("CRONGUARD_PROGRAM")
PROGRAM = [os.path.abspath(_BUILT)] if _BUILT else [sys.executable, "-m", "cronguard"]


def tick(number):
    """Return the label of tick `number`; the ticks start two hours ago, one each minute."""
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(BEGAN - 7200 + 60 * number))


class Done(NamedTuple):
    """The result of a finished run: its exit status and its output."""

    status: int
    out: str
    err: str


class Run:
    """A started `cronguard run`."""

    def __init__(self, popen):
        self.popen = popen
        self.pid = popen.pid
        self.guard = Seen.of(popen.pid)

    def send(self, signum):
        os.kill(self.pid, signum)

    def stop(self, seen=None):
        """Freeze the guard, or another process, and wait until it is frozen."""
        seen = seen or self.guard
        os.kill(seen.pid, signal.SIGSTOP)
        wait_until(lambda: seen.is_stopped, "the stop")

    def keepers(self):
        """Return the guard's keepers: its children in their own session that execute the same program."""
        return [
            seen
            for seen in children(self.pid)
            if seen.session == seen.pid and words(seen.pid) == words(self.pid)
        ]

    def keeper(self):
        return wait_until(self.keepers, "a keeper")[0]

    def job(self):
        """Return the job's leader, once it executes its own program."""

        def look():
            leaders = [seen for seen in children(self.pid) if seen.group == seen.pid != seen.session]
            return [seen for seen in leaders if words(seen.pid) not in ([], words(self.pid))]

        return wait_until(look, "the job")[0]

    def processor_time(self):
        """Return the processor time that the guard has used, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, limit=LIMIT):
        """Wait for the run to end by itself."""
        out, err = self.popen.communicate(timeout=limit)
        status = self.popen.returncode
        return Done(status if status >= 0 else 128 - status, out or "", err or "")


class Cluster:
    """Nodes that share one directory, `share`; if it is a mount, `under` is the folder beneath it."""

    def __init__(self, root, share=None, under=None):
        self.root = root
        self.share = share or root / "share"
        self.share.mkdir(exist_ok=True)
        self.under = under or self.share
        self.runs = []

    def env(self, node="n1", **more):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CRONGUARD_")}
        own = {"CRONGUARD_NODE": node, "CRONGUARD_STATE_DIR": f"{self.root}/state"}
        return {**kept, **own, "CRONGUARD_CONFIG": str(self._config()), **more}

    def command(self, *arguments, job="job"):
        """Return the command line of a run; `arguments` are its options, then the words of the command."""
        fixed = ["run", "--backend", f"dir:{self.share}", "--log", "none", "--name", job]
        return [*PROGRAM, *fixed, *map(_word, arguments)]

    def start(self, *arguments, node="n1", job="job", env=None, wrapped_by=(), **popen):
        """Start a run; `wrapped_by` is a command that executes it."""
        settings = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        command = [*wrapped_by, *self.command(*arguments, job=job)]
        run = Run(
            subprocess.Popen(
                command, env=self.env(node, **(env or {})), cwd=self.root, **{**settings, **popen}
            )
        )
        self.runs.append(run)
        return run

    def run(self, *arguments, **more):
        """Start a run, wait for its end, and return its result."""
        return self.start(*arguments, **more).end()

    def record(self, job="default/job"):
        """Return the job's record; None if it was never claimed."""
        url = f"dir:{self.share}"
        backend = DirectoryBackend.open(url, Clock(), StateDir(f"{self.root}/test-state", "test"))
        return decode(backend.read(f"lease/{job}").data, job)

    def versions(self, job="default/job"):
        """Return all records of the job that the directory still has, oldest first."""
        files = sorted(self.under.glob(f"v1/lease/{job}/[0-9]*/record.json"))
        return [decode(file.read_bytes(), job) for file in files]

    def last_renewal(self, node, job="default/job"):
        """Return the boot time of the last renewal that this node published."""
        return renewed_at([r for r in self.versions(job) if r.node == node and r.state == "running"][-1])

    def wait_for_state(self, state, job="default/job"):
        return wait_until(lambda: (r := self.record(job)) and r.state == state and r, f"state {state}")

    def left(self):
        """Return the processes that belong to this cluster."""
        return [seen for seen in mentioning(f"{self.root}/") if seen.pid != os.getpid()]

    def clean_up(self):
        """Kill every process that a test has left: all that mention its folder."""
        for run in self.runs:
            if run.popen.poll() is None:
                run.popen.kill()
        wait_until(self._kill_all, "the end of all that the test left")
        for run in self.runs:
            run.popen.communicate(timeout=LIMIT)

    def _kill_all(self):
        left = self.left()
        for seen in left:
            with suppress(ProcessLookupError):
                os.kill(seen.pid, signal.SIGKILL)
        return not left

    def _config(self):
        file = self.root / "config.toml"
        if not file.exists():
            file.write_text("")
        return file


def _word(argument):
    return argument if isinstance(argument, bytes) else str(argument)


def renewed_at(record):
    """Return the boot time of the record's last renewal."""
    return record.renewed - (time.time() - boot())


def shell(text):
    return ["--", "/bin/sh", "-c", text]
