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

_NO_WATCHDOG = _patched(run__watchdog__Watchdog___overdue=instead.ignored)
_NO_DEADLINE = _patched(run__supervisor__Supervisor___check_deadline=instead.ignored)

_LATE_RENEWALS = _patched(
    run__keeping__Keeping___is_in_time=instead.always,
    run__supervisor__Supervisor___check_deadline=instead.check_deadline_after_the_renewal,
    run__watchdog__Watchdog___overdue=instead.overdue_after_the_renewal,
)

ABLATIONS = (
    _off("a swap compares versions", swap_compares=False),
    _off("a job is stopped at its deadline", patches=_NO_DEADLINE + _NO_WATCHDOG),
    _off(
        "a frozen guard has a second watchdog",
        patches=_NO_WATCHDOG,
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
    _off("a late renewal does not count", patches=_LATE_RENEWALS, lease=instead.LateIsEarlyEnough),
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
    _off(
        "settled only when the job is gone",
        patches=_patched(run__supervisor__Supervisor___left=instead.left_until_asked),
        within=300,
    ),
    _off(
        "an orphaned job is killed",
        patches=_patched(run__watchdog__Watchdog___kill_to_the_last=instead.watch_for_ever) + _NO_WATCHDOG,
        on=_struck("started", "kill-guard"),
    ),
    _off(
        "no renewal for a frozen guard",
        "kept_for_nobody",
        patches=_patched(run__keeper__Keeper___may_renew=instead.always),
    ),
    _off(
        "no start after the deadline",
        starts_only_before_the_deadline=False,
        on=_struck("granted", "stop-guard"),
    ),
    _off(
        "a job that ended by itself is not lost",
        "repeats",
        patches=_patched(run__supervisor__Supervisor___has_come_to_its_end=instead.ignored),
        on=_struck("started", "stop-guard", lengths=(20.0,)),
    ),
    _off(
        "a new keeper is given the deadline",
        patches=_patched(run__keeping__Keeping__guard=instead.introduce_without_deadline),
        on=focus.on(kinds=("cut",), points=("resuming",), faults=("kill-keeper", "stop-guard")),
    ),
    _off(
        "the keeper kills in the end, even if the guard answers",
        patches=_patched(run__watchdog__Watchdog___overdue=instead.overdue_only_if_silent),
        on=focus.on(kinds=("stop-guard",), points=("killing", "stopping"), faults=("cut",)),
        within=500,
    ),
)
