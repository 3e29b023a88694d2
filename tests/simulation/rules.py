"""The rules that the simulated nodes follow; an ablation replaces some of them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings


def _sightings(world, node, clock):
    return Sightings(node.state, "sim:/", node.boot_id, clock)


class Rules(NamedTuple):
    """The rules. The defaults are cronguard as it is. The first five concern cronguard's code, the others the models."""

    lease: type[Lease] = Lease
    sightings: Callable[..., Any] = _sightings
    patches: tuple[tuple[str, Any], ...] = ()  # dotted names and their replacements
    every_run: bool = False
    swap_compares: bool = True
    guard_stops_at_deadline: bool = True
    keeper_stops_at_deadline: bool = True
    keeper_ends_orphans: bool = True
    keeper_renews_only_for_a_living_guard: bool = True
    late_renewals_do_not_count: bool = True
    settles_after_the_end: bool = True
    starts_only_before_the_deadline: bool = True
    an_ended_job_is_not_lost: bool = True
    a_new_keeper_is_told_the_deadline: bool = True
    keeper_kills_whoever_answers: bool = True


REAL = Rules()
