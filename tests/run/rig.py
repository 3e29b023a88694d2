"""Runs of cronguard as real processes: a cluster of nodes on one machine, and a look at what they do."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from cronguard.backends.directory import DirectoryBackend
from cronguard.clock import Clock
from cronguard.record import decode
from cronguard.statedir import StateDir

HERE = Path(__file__).parent
LIMIT = 60.0  # seconds: only what is broken takes that long, a machine with much to do does not
BEGAN = time.time()
PYTHON = [sys.executable, "-IS"]  # for jobs: started in a tenth of the time


def boot():
    """The clock of every safety statement."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wait_until(fact, what="it", limit=LIMIT):
    """Return the first true value of `fact()`."""
    give_up_at = boot() + limit
    while not (value := fact()):
        assert boot() < give_up_at, f"{what}: not within {limit:g} s"
        time.sleep(0.02)
    return value


def tick(number):
    """Return the label of one of the successive ticks that began two hours ago."""
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(BEGAN - 7200 + 60 * number))


class Seen(NamedTuple):
    """A process, told from a later one of its number by its start."""

    pid: int
    parent: int
    group: int
    session: int
    foreground: int
    start: int
    state: str

    @classmethod
    def of(cls, pid):
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return None
        parent, group, session, foreground = (int(fields[i]) for i in (1, 2, 3, 5))
        return cls(int(pid), parent, group, session, foreground, int(fields[19]), fields[0].decode())

    @property
    def is_alive(self):
        now = Seen.of(self.pid)
        return now is not None and now.start == self.start and now.state not in "ZX"

    @property
    def is_stopped(self):
        now = Seen.of(self.pid)
        return now is not None and now.state == "T"

    def send(self, signum):
        if self.is_alive:
            os.kill(self.pid, signum)


def processes():
    """Return all processes that are not zombies."""
    found = (Seen.of(name) for name in os.listdir("/proc") if name.isdecimal())
    return [seen for seen in found if seen and seen.state not in "ZX"]


def children(pid):
    return [seen for seen in processes() if seen.parent == pid]


def words(pid):
    """Return a process's arguments; none for one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def mentioning(text):
    """Return the processes that have the text in their arguments or in their environment."""
    return [seen for seen in processes() if _mentions(seen.pid, os.fsencode(text))]


def _mentions(pid, text):
    for name in ("cmdline", "environ"):
        with suppress(OSError):
            if text in Path(f"/proc/{pid}/{name}").read_bytes():
                return True
    return False


class Done(NamedTuple):
    """What a finished run left: its exit status and what it wrote."""

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
        """Freeze the guard, or another process, and wait until it is."""
        seen = seen or self.guard
        os.kill(seen.pid, signal.SIGSTOP)
        wait_until(lambda: seen.is_stopped, "the stop")

    def keepers(self):
        """Return the guard's keepers: its children in a session of their own that execute the same program."""
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
        """Return the seconds that the guard has computed."""
        fields = Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, limit=LIMIT):
        """Wait for the run to end by itself."""
        out, err = self.popen.communicate(timeout=limit)
        status = self.popen.returncode
        return Done(status if status >= 0 else 128 - status, out or "", err or "")


class Cluster:
    """Nodes that meet in one directory, `share`; where that is mounted, `under` is the folder under it."""

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
        """Return the command line of a run in which the options, then the job's words, are `arguments`."""
        fixed = ["run", "--backend", f"dir:{self.share}", "--log", "none", "--name", job]
        return [sys.executable, "-m", "cronguard", *fixed, *map(_word, arguments)]

    def start(self, *arguments, node="n1", job="job", env=None, wrapped_by=(), **popen):
        """Start a run; `wrapped_by` is a command that becomes it."""
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
        """Run to the end."""
        return self.start(*arguments, **more).end()

    def record(self, job="default/job"):
        """Return the job's record, None if it was never claimed."""
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
        """Return the processes that have to do with this cluster."""
        return [seen for seen in mentioning(f"{self.root}/") if seen.pid != os.getpid()]

    def clean_up(self):
        """End all that a test has left: everything that has to do with its folder."""
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
    """Return the moment of the record's last renewal on the boot clock."""
    return record.renewed - (time.time() - boot())


def shell(text):
    return ["--", "/bin/sh", "-c", text]


class Member:
    """A process of a job that notes all the time that it is alive, until it is told to end."""

    def __init__(self, file, *wishes):
        self.file = Path(file)
        self.command = [*PYTHON, str(HERE / "alive.py"), str(file), *wishes]

    def notes(self):
        """Return what it has noted: its number and the boot time, again and again."""
        text = self.file.read_text() if self.file.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        return [(int(pid), float(moment)) for pid, moment in map(str.split, whole.splitlines())]

    def process(self):
        """Return its process, once it is there."""
        return Seen.of(wait_until(self.notes, f"{self.file.name}'s first note")[0][0])

    @property
    def is_alive(self):
        notes = self.notes()
        seen = Seen.of(notes[0][0]) if notes else None
        return bool(seen) and str(self.file) in words(seen.pid)

    @property
    def first_seen(self):
        return wait_until(self.notes, f"{self.file.name}'s first note")[0][1]

    @property
    def last_seen(self):
        return self.notes()[-1][1]

    def wait_until_gone(self, limit=LIMIT):
        wait_until(lambda: not self.is_alive, f"the end of {self.file.name}", limit)

    def tell_to_end(self):
        Path(f"{self.file}.end").touch()


class Family:
    """A job whose processes leave its group, its session, their parents and their environment."""

    SCRIPT = """
    {child} &
    setsid {daemon} &
    env -i setsid {wiped} &
    ( ( {orphan} & ) & )
    ( env -i setsid sh -c '{lost} & exit' & )
    exec {leader}
    """
    ROLES = ("child", "daemon", "wiped", "orphan", "lost", "leader")

    def __init__(self, folder, *wishes):
        folder.mkdir()
        self.members = {role: Member(folder / role, *wishes) for role in self.ROLES}
        commands = {role: " ".join(member.command) for role, member in self.members.items()}
        self.command = ["/bin/sh", "-c", self.SCRIPT.format(**commands)]
        self.leader = self.members["leader"]

    def wait_until_complete(self):
        for member in self.members.values():
            member.process()

    def alive(self):
        return [role for role, member in self.members.items() if member.is_alive]

    def wait_until_gone(self, limit=LIMIT):
        wait_until(lambda: not self.alive(), "the end of the whole family", limit)

    @property
    def last_seen(self):
        return max(member.last_seen for member in self.members.values())


def skip_or_fail(reason):
    """Skip a test that cannot be done here; where CRONGUARD_CI says that all must be, fail."""
    (pytest.fail if os.environ.get("CRONGUARD_CI") == "1" else pytest.skip)(reason)
