"""Two nodes whose caches never expire: stale data may make a claim fail, but never succeed wrongly."""

import os

import pytest
from contender import FIRST, JOB, Rules, SharedClock, contend, open_backend

from cronguard.admin import halt
from cronguard.advice.advice import Advice
from cronguard.lease.claim import Skip
from cronguard.lease.grant import Grant
from cronguard.model.pause import Pause
from cronguard.model.target import JOB as A_JOB
from cronguard.model.target import NAMESPACE, Target
from cronguard.model.tick import Tick
from cronguard.system.statedir import StateDir
from cronguard.turns.turn import Strategy


@pytest.mark.parametrize("scheme", ["dir", "file"])
def test_nodes_that_found_no_entry_see_a_later_claim_of_the_other(cached_site, scheme):
    os.mkdir(f"{os.path.dirname(cached_site.sound.path)}/disk/share")
    clock = SharedClock()

    def node(number, tick):
        share = f"{cached_site[number % 2].path}/share"
        return contend(Rules(), scheme, share, clock, f"web{number % 2}", tick, wait=0.0)

    for number in range(8):
        tick = Tick(FIRST.epoch + 60 * number)
        other = node(number + 1, tick)
        other._read()
        held = node(number, tick)
        assert isinstance(held.acquire(), Grant)
        assert isinstance(other.acquire(), Skip)
        assert isinstance(held.renew(), Grant)
        assert held.settle("done", 0, 0.0)
        assert isinstance(node(number + 1, tick).acquire(), Skip)


@pytest.mark.parametrize("scheme", ["dir", "file"])
@pytest.mark.parametrize("target", [Target(A_JOB, str(JOB)), Target(NAMESPACE, JOB.ns)])
def test_a_run_sees_a_new_pause_where_its_node_had_found_no_entry(cached_site, scheme, target):
    """The node's cache says that there is no such entry, and later what the entry was."""
    os.mkdir(f"{os.path.dirname(cached_site.sound.path)}/disk/share")
    clock, rules = SharedClock(), Rules()
    shares = [f"{side.path}/share" for side in cached_site]
    state = StateDir(f"{os.path.dirname(cached_site.sound.path)}/state", "web0")
    administrator = open_backend(rules, scheme, shares[0], clock, state)

    def acquire(number):
        lease = contend(rules, scheme, shares[1], clock, "web1", Tick(FIRST.epoch + 60 * number), wait=0.0)
        lease._advise = Advice(lease._backend, lease._ask, Strategy(me="web1"), clock)
        answer = lease.acquire()
        if isinstance(answer, Grant):
            lease.settle("done", 0, 0.0)
        return answer

    for number in range(0, 6, 2):
        assert isinstance(acquire(number), Grant)
        assert isinstance(acquire(number + 1), Grant)  # this one has read an existing directory
        halt.pause(administrator, target, Pause(0.0, None, "", "me"), force=True)
        assert acquire(number + 2).reason == "paused"
        halt.resume(administrator, target, 0.0)
