"""`ssh:` through a proxy that cuts the connection at each of its messages: a request, an answer, or a late request.

Each run claims, renews and settles. The store is checked through `dir:`, on the lock host's own disk.
"""

import itertools
import os

import pytest
import sshd
from late_proxy import DOWN, UP, Proxy
from stores import PollClock

from cronguard.lease.claim import Ask
from cronguard.lease.grant import Grant
from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings
from cronguard.model.job import Job
from cronguard.model.record import decode
from cronguard.model.tick import Tick
from cronguard.model.timing import Timing
from cronguard.store.contract import open_backend
from cronguard.system.errors import BackendError
from cronguard.system.statedir import StateDir

JOB = Job("billing", "invoices")
TTL = 600.0
# The steps keep the suite short. CRONGUARD_TEST_EVERY=1 cuts at every message: three minutes on an idle machine.
EVERY = int(os.environ.get("CRONGUARD_TEST_EVERY", "0"))
pytestmark = pytest.mark.slow


class Rig:
    """A lock host behind the proxy, and runs of a job there, one per tick."""

    def __init__(self, place, monkeypatch):
        self.host = sshd.shared_host()
        self.proxy = Proxy(self.host.port)
        self.root, self.place = f"{place}/share", place
        os.mkdir(self.root)
        home = f"{place}/home/.ssh"
        os.makedirs(home)
        os.symlink(self.host.key, f"{home}/id_ed25519")
        with open(f"{home}/known_hosts", "w", encoding="ascii") as file:
            file.write(f"[127.0.0.1]:* {self.host.host_key()}\n")
        monkeypatch.setenv("HOME", f"{place}/home")
        self._ticks = itertools.count(1)

    def open(self, url, node, clock):
        return open_backend(url, clock, StateDir(f"{self.place}/state", node))

    def lease(self, backend, clock, run, node="web1"):
        ask = Ask(
            job=JOB, tick=Tick(60 * next(self._ticks)), run=run, node=node, boot=node, pid=1, user="app", program="true",
            timing=Timing.of(TTL, None), started=clock.boot(), max_clock_skew=None,
        )  # fmt: skip
        return Lease(backend, ask, clock, Sightings(None, "", node, clock))

    def through(self, run):
        """Claim, renew and settle through the proxy."""
        clock = PollClock()
        backend = self.open(self.host.url(self.root, self.proxy.port), "web1", clock)
        try:
            lease = self.lease(backend, clock, run)
            assert isinstance(lease.acquire(), Grant)
            assert isinstance(lease.renew(), Grant)
            assert lease.settle("done", 0, clock.boot() + 60)
        finally:
            backend.close()

    def record(self):
        backend = self.open(f"dir:{self.root}", "judge", PollClock())
        return decode(backend.read(JOB.key).data, "the store")

    def versions(self):
        folder = f"{self.root}/v1/{JOB.key}"
        return [f"{folder}/{name}" for name in os.listdir(folder) if not name.startswith(".")]


@pytest.fixture
def rig(place, monkeypatch):
    sshd.require()
    made = Rig(place, monkeypatch)
    yield made
    made.proxy.close()


def messages(rig, direction, step):
    """Yield message numbers until a run has no message with that number."""
    for number in itertools.count(1, step):
        yield number
        if not rig.proxy.has_cut:
            assert number > 20
            return


@pytest.mark.parametrize(("direction", "is_late", "step"), [(UP, False, 2), (DOWN, False, 3), (UP, True, 3)])
def test_a_run_continues_whichever_message_is_cut(rig, direction, is_late, step):
    for number in messages(rig, direction, EVERY or step):
        rig.proxy.reset((direction, number), is_late=is_late)
        rig.through(f"run-{number}")
        before = rig.record()
        assert (before.run, before.state) == (f"run-{number}", "done")
        rig.proxy.deliver()
        assert rig.record() == before
    tokens = [outcome["token"] for outcome in rig.record().history]
    assert tokens == sorted(set(tokens))
    assert all(os.listdir(version) == ["record.json"] for version in rig.versions())


@pytest.mark.parametrize(("direction", "is_late", "step"), [(UP, False, 5), (DOWN, False, 7), (UP, True, 4)])
def test_a_run_that_is_cut_off_for_good_leaves_a_store_that_others_can_use(rig, direction, is_late, step):
    """Its last request may also arrive late. Nobody gets the lease while the run that was cut off could hold it."""
    for number in messages(rig, direction, EVERY or step):
        rig.proxy.reset((direction, number), is_late=is_late, stays_down=True)
        try:
            rig.through(f"cut-{number}")
        except BackendError:
            assert rig.proxy.has_cut
        rig.proxy.deliver()
        left = rig.record()
        clock = PollClock()
        successor = rig.lease(rig.open(f"dir:{rig.root}", "web2", clock), clock, f"next-{number}", "web2")
        successor._ask = successor._ask._replace(wait=2 * TTL)
        began = clock.boot()
        grant = successor.acquire()
        assert isinstance(grant, Grant)
        if left and left.is_running:
            assert (left.run, clock.boot() - began > TTL) == (f"cut-{number}", True)
        assert successor.settle("done", 0, clock.boot() + 60)
        assert rig.record().run == f"next-{number}"
    assert all(os.listdir(version) == ["record.json"] for version in rig.versions())
