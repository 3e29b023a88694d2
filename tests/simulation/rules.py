"""The rules that the simulated nodes follow; an ablation replaces some of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings


def _sightings(world, node, clock):
    return Sightings(node.state, "sim:/", node.boot_id, clock)


class Rules(NamedTuple):
    """The rules. The defaults are cronguard as it is; `patches` switch off rules in its own code.

    Two stand for what no simulator can have: a store whose swap does not compare, and the check of the boot clock that
    the command's own process makes right before its exec.
    """

    lease: type[Lease] = Lease
    sightings: Callable[..., Any] = _sightings
    patches: tuple[tuple[str, Any], ...] = ()  # dotted names and their replacements
    every_run: bool = False
    swap_compares: bool = True
    starts_only_before_the_deadline: bool = True


REAL = Rules()
