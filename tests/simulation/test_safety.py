"""Which overlaps are allowed, so that the simulator does not excuse more than the lease needs."""

from math import inf
from types import SimpleNamespace

import pytest

from cronguard.model.timing import Timing

from .safety import overlaps


def overlap_of_runs(helpless):
    """Return what is found if one run was alive from 0 to 60 and another from 50 on."""
    world = SimpleNamespace(runs=[])
    for name, ran, stopped in (("first", (0.0, 60.0), helpless), ("second", (50.0, 70.0), [])):
        ask = SimpleNamespace(timing=Timing.of(30.0, 5.0))
        world.runs.append(SimpleNamespace(name=name, ask=ask, ran=lambda ran=ran: ran, helpless=stopped))
    return list(overlaps(world))


@pytest.mark.parametrize("helpless", [[(20.0, 59.9)], [(5.0, 6.0), (20.0, 59.5)], [(20.0, inf)]])
def test_an_overlap_that_began_while_guard_and_keeper_were_stopped_is_allowed(helpless):
    assert not overlap_of_runs(helpless)


@pytest.mark.parametrize(
    "helpless",
    [[], [(5.0, 40.0)], [(51.0, 60.0)], [(20.0, 58.0)], [(48.0, 52.9)]],
    ids=["never stopped", "woken before", "stopped later", "woken and not ended", "too short"],
)
def test_no_other_overlap_is_allowed(helpless):
    assert overlap_of_runs(helpless)
