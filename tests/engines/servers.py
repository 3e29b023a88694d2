"""Real servers on loopback that the tests start, each with its own folder and ports, and stop by PID."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from glob import glob

import pytest
from ports import free_port

LIMIT = 60.0  # seconds: only a failure takes that long
# Debian keeps the programs of each PostgreSQL version in a separate directory.
PATH = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin", *glob("/usr/lib/postgresql/*/bin")])


def program(name):
    """Return the program's path, or skip the test if it is not installed."""
    return shutil.which(name, path=PATH) or pytest.skip(f"needs {name}")


def free_ports(count):
    """Return different ports that nobody listens on."""
    ports = set()
    while len(ports) < count:
        ports.add(free_port())
    return sorted(ports)


def wait_for(fact, what):
    """Return the first true value of `fact()`. An exception counts as "not yet"."""
    give_up_at = time.monotonic() + LIMIT
    while True:
        with suppress(Exception):
            if value := fact():
                return value
        assert time.monotonic() < give_up_at, f"{what}: not within {LIMIT:g} s"
        time.sleep(0.05)


class Server:
    """One server process. It dies with the test that started it."""

    def __init__(self, folder, *argv, user=None, env=None):
        self.folder, self.argv, self.user = folder, argv, user
        self.env = {"PATH": PATH, **(env or {})}
        self.popen = None

    def start(self):
        identity = ["--reuid", self.user, "--regid", self.user, "--init-groups"] if self.user else []
        command = [program("setpriv"), "--pdeathsig", "KILL", *identity, "--", *self.argv]
        with open(f"{self.folder}/log", "ab") as log:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env=self.env
            )
        return self

    @property
    def pid(self):
        return self.popen.pid

    @property
    def is_alive(self):
        return self.popen is not None and self.popen.poll() is None

    def pause(self):
        """Freeze the server with all its processes, and return when none of their threads is running."""
        wait_for(self._stop, "the stop")

    def resume(self):
        self._send_all(signal.SIGCONT)

    def kill(self):
        """Kill it as a power cut would."""
        if self.is_alive:
            self._send_all(signal.SIGKILL)
            self.popen.wait(LIMIT)

    def _stop(self):
        self._send_all(signal.SIGSTOP)
        return all(_stands_still(pid) for pid in [self.pid, *_below(self.pid)])

    def _send_all(self, signum):
        for pid in [self.pid, *_below(self.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)

    def log(self):
        with open(f"{self.folder}/log", encoding="utf-8", errors="replace") as file:
            return file.read()


def _stands_still(pid):
    """Return whether no thread can run. A thread that waits for a processor is stopped only once it gets one."""
    return all(
        _state_of(f"/proc/{pid}/task/{task}/stat") in b"TZ" for task in os.listdir(f"/proc/{pid}/task")
    )


def _state_of(path):
    with open(path, "rb") as file:
        return file.read().rpartition(b")")[2].split()[0]


def _below(pid):
    """Return all descendants of a process."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = [int(word) for word in file.read().split()]
    except OSError:
        return []
    return children + [deeper for child in children for deeper in _below(child)]


class Servers:
    """Some servers in one folder, which is removed with them."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="cronguard-engine-")
        os.chmod(self.root, 0o755)
        self.servers = []

    def add(self, name, *argv, **more):
        folder = f"{self.root}/{name}"
        os.makedirs(folder, exist_ok=True)
        self.servers.append(Server(folder, *argv, **more))
        return self.servers[-1]

    def kill_all(self):
        for server in self.servers:
            server.kill()

    def end(self):
        self.kill_all()
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
