"""Switch off each rule in turn: the simulator must then find what the rule prevents, within so many seeds."""

from collections.abc import Callable
from typing import NamedTuple

from . import focus, invariants
from . import replacements as instead
from .rules import REAL, Rules
from .schedule import draw
from .world import World


class Ablation(NamedTuple):
    """A rule, the rules without it, the violation that must be found then, and within how many seeds.

    `focus` changes the schedules so that the situation that the rule handles occurs more often than by chance.
    """

    rule: str
    rules: Rules
    finds: str
    within: int
    focus: Callable = lambda schedule: schedule


def first_finding(ablation):
    """Return the first seed whose schedule shows the violation, and the violation; None if no schedule does."""
    for seed in range(ablation.within):
        world = World(ablation.focus(draw(seed)), ablation.rules).run()
        for name, found in invariants.violations(world):
            if name == ablation.finds:
                return seed, found
    return None


def _off(rule, finds="overlaps", within=100, on=None, **changes):
    return Ablation(rule, REAL._replace(**changes), finds, within, *([on] if on else []))


def _patched(**patches):
    return tuple((f"cronguard.{name.replace('__', '.')}", value) for name, value in patches.items())


def _struck(point, kind, **others):
    return focus.on(points=(point,), kinds=(kind,), **others)


_CUTS = focus.on(faults=("cut",))
_STEPS = focus.on(faults=("step", "cut"))
_SLOW_CUTS = focus.on(faults=("cut",), slow=0.3)
_CUT_AND_CRASH = focus.on(faults=("cut", "crash-others"), ttl=60.0)
_NO_MARGIN = _patched(
    lease__claim__takeover_after=lambda ttl: ttl,
    model__timing__Timing__kill=property(lambda timing: timing.kill_after),
)

ABLATIONS = (
    _off("a swap compares versions", swap_compares=False),
    _off("a job is stopped at its deadline", guard_stops_at_deadline=False, keeper_stops_at_deadline=False),
    _off(
        "a frozen guard has a second watchdog",
        keeper_stops_at_deadline=False,
        on=_struck("started", "stop-guard"),
    ),
    _off("takeover by what was seen, not by the wall clock", sightings=instead.ByTheWallClock),
    _off("takeover by what was seen, not by the store's age", sightings=instead.ByTheStoresAge, on=_STEPS),
    _off("a sighting counts for one version only", sightings=instead.OfAnyVersion),
    _off(
        "a sighting counts on one boot clock only",
        sightings=instead.of_any_boot,
        on=_CUT_AND_CRASH,
        within=1000,
    ),
    _off("a late renewal does not count", late_renewals_do_not_count=False, lease=instead.LateIsEarlyEnough),
    _off("the deadline counts from the send", lease=instead.FromTheReply, on=_SLOW_CUTS, within=500),
    _off("a margin for clocks of different rates", patches=_NO_MARGIN, on=_CUTS, within=500),
    _off("ticks only move forward", "repeats", every_run=True),
    _off(
        "three attempts per tick",
        "excess",
        patches=_patched(lease__claim__MAX_ATTEMPTS=99),
        on=_struck("started", "kill-guard"),
        within=500,
    ),
    _off("settled only when the job is gone", settles_after_the_end=False, within=300),
    _off(
        "an orphaned job is killed",
        keeper_ends_orphans=False,
        keeper_stops_at_deadline=False,
        on=_struck("started", "kill-guard"),
    ),
    _off("no renewal for a frozen guard", "kept_for_nobody", keeper_renews_only_for_a_living_guard=False),
    _off(
        "no start after the deadline",
        starts_only_before_the_deadline=False,
        on=_struck("granted", "stop-guard"),
    ),
    _off(
        "a job that ended by itself is not lost",
        "repeats",
        an_ended_job_is_not_lost=False,
        on=_struck("started", "stop-guard", lengths=(20.0,)),
    ),
    _off(
        "a new keeper is given the deadline",
        a_new_keeper_is_told_the_deadline=False,
        on=focus.on(kinds=("cut",), points=("resuming",), faults=("kill-keeper", "stop-guard")),
    ),
    _off(
        "the keeper kills in the end, even if the guard answers",
        keeper_kills_whoever_answers=False,
        on=focus.on(kinds=("stop-guard",), points=("killing", "stopping"), faults=("cut",)),
        within=500,
    ),
)
