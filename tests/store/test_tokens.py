"""On every backend, the token of a job grows through `forget`, also on a node whose clock is behind."""

import pytest
from fakes import FakeClock

from cronguard.admin.override import forget
from cronguard.lease.claim import Ask
from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings
from cronguard.model.job import Job
from cronguard.model.tick import Tick
from cronguard.model.timing import Timing
from cronguard.report.inventory import leases

JOB = Job("billing", "invoices")


def claim(backend, wall, node):
    clock = FakeClock(wall)
    ask = Ask(
        job=JOB, tick=Tick.of(wall), run=f"run-{node}", node=node, boot="boot", pid=1, user="app", program="true",
        timing=Timing.of(30.0, None), started=clock.boot(), max_clock_skew=None,
    )  # fmt: skip
    lease = Lease(backend, ask, clock, Sightings(None, "store", "boot", clock))
    token = lease.acquire().token
    assert lease.settle("done", 0, clock.boot())
    return token


@pytest.mark.parametrize("behind", [240.0, 86400.0])
def test_the_token_grows_through_forget_whatever_the_clock_says(store, behind):
    wall = 1795325400.0
    first = claim(store.open("web1"), wall, "web1")
    forget(store.open("web2"), JOB, force=False)
    assert leases(store.open("web2"), None, wall) == []
    assert claim(store.open("web3"), wall - behind, "web3") == first + 1
