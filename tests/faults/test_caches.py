"""Two nodes whose caches forget nothing: old knowledge may make a claim fail, never succeed wrongly."""

import os

import pytest
from contender import FIRST, Rules, SharedClock, contend

from cronguard.claim import Skip
from cronguard.grant import Grant
from cronguard.tick import Tick


@pytest.mark.parametrize("scheme", ["dir", "file"])
def test_nodes_that_looked_in_vain_see_what_the_other_has_claimed_since(cached_site, scheme):
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
