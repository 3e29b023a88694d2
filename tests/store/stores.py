"""The stores on which the contract is tested. For a new backend, add a class of a few lines, and its name to STORES."""

import os
import threading
import time
import uuid

import pytest
import session
import sshd

from cronguard.store.contract import open_backend
from cronguard.store.memory import MemoryBackend
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

KEY = "lease/billing/invoices"


def publish(backend, data=b"data", key=KEY, times=1):
    """Publish the next version, or several; nobody else publishes meanwhile."""
    for _ in range(times):
        entry = backend.swap(backend.read(key), data)
        assert entry
    return entry


class PollClock:
    """A clock that advances when somebody sleeps. A test puts what happens during the sleep into `meanwhile`."""

    def __init__(self):
        self.now_boot = 1000.0
        self.ahead = 0.0  # of the store's clock, which is the machine's
        self.meanwhile = []

    def wall(self):
        return time.time() + self.ahead

    def boot(self):
        return self.now_boot

    def sleep(self, seconds):
        if self.meanwhile:
            self.meanwhile.pop(0)()
        self.now_boot += seconds


class Memory:
    """Threads of one process."""

    def __init__(self, folder):
        self.env = {}  # what a process needs to reach it
        self._backend = MemoryBackend()

    def open(self, node="web1"):
        return self._backend

    def during_wait(self, act):
        threading.Thread(target=act).start()


class Shared:
    """A store on a directory, polled."""

    scheme = ""

    def __init__(self, folder):
        self.env = {}
        self.root = f"{folder}/share"
        self.url = f"{self.scheme}:{self.root}"
        self.clock = PollClock()
        self._folder = folder
        os.mkdir(self.root)

    def state(self, node="web1"):
        return StateDir(f"{self._folder}/state", node)

    def open(self, node="web1"):
        return open_backend(self.url, self.clock, self.state(node))

    def url_for(self, writer):
        return self.url

    def during_wait(self, act):
        self.clock.meanwhile.append(act)


class Directory(Shared):
    scheme = "dir"


class File(Shared):
    scheme = "file"


class Ssh(Shared):
    """A directory on this machine, reached through the tests' own sshd."""

    scheme = "ssh"

    def __init__(self, folder):
        super().__init__(folder)
        host = sshd.shared_host()
        self.url, self.env = host.url(self.root), host.env


class Mixed(Ssh):
    """The same directory, mounted by some and reached by SSH by others."""

    def url_for(self, writer):
        return self.url if sum(writer.encode()) % 2 else f"dir:{self.root}"


class Engine:
    """A real server for this session; each store has its own place on it."""

    def __init__(self, folder):
        self.env = {}
        self.url = self.place()
        self.clock = Clock()
        self._folder = folder

    def open(self, node="web1"):
        return open_backend(self.url, self.clock, StateDir(f"{self._folder}/state", node))

    def url_for(self, writer):
        return self.url

    def during_wait(self, act):
        threading.Timer(0.2, act).start()


class Etcd(Engine):
    def place(self):
        return session.etcd().url(uuid.uuid4().hex)


class Postgres(Engine):
    def place(self):
        session.postgres().sql("DROP TABLE IF EXISTS cronguard")
        return session.postgres().url()


class Redis(Engine):
    def place(self):
        return session.redis().url(prefix=uuid.uuid4().hex)


STORES = {
    "memory": Memory,
    "dir": Directory,
    "file": File,
    "ssh": Ssh,
    "etcd": Etcd,
    "postgres": Postgres,
    "redis": Redis,
}
PARAMS = [
    pytest.param(name, marks=[pytest.mark.engine] * issubclass(kind, Engine)) for name, kind in STORES.items()
]
# Stores whose versions are 1, 2, 3; the contract requires only that versions grow.
COUNTED = ["memory", "dir", "file", "ssh"]


def make_store(name, folder, monkeypatch):
    """Create a store, and set the environment so that this process can reach it."""
    if name in ("ssh", "mixed"):
        sshd.require()
    store = (STORES | {"mixed": Mixed})[name](folder)
    for variable, value in store.env.items():
        monkeypatch.setenv(variable, value)
    return store
