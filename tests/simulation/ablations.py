"""Each rule switched off: then the simulator must find what the rule is for, within so many seeds."""

from collections.abc import Callable
from typing import NamedTuple

from cronguard.lease import Grant, Lease, Lost
from cronguard.seen import Sightings

from .rules import REAL, Rules
from .schedule import Fault, Strikes


class ByTheWallClock(Sightings):
    """Takeover when the record is older than ttl by this node's wall clock and the record's."""

    def __init__(self, world, node, clock):
        self._world, self._node = world, node

    def unchanged(self, key, version, identity):
        """Return the record's age as two wall clocks tell it."""
        return self._node.wall() - self._world.store.past[version - 1].record.renewed


class ByTheStoresAge(Sightings):
    """Takeover when the entry is older than ttl by the store's clock."""

    def __init__(self, world, node, clock):
        self._world = world

    def unchanged(self, key, version, identity):
        """Return the entry's age as the store tells it."""
        store = self._world.store
        return store.clock.wall() - store.past[version - 1].stored


class OfAnyVersion(Sightings):
    """Once seen, seen for ever: a renewal does not begin the watch anew."""

    def __init__(self, world, node, clock):
        super().__init__(node.state, "sim:/", node.boot_id, clock)

    def unchanged(self, key, version, identity):
        """Return for how long this node has known the key."""
        return super().unchanged(key, 0, "any")


def of_any_boot(world, node, clock):
    """Return sightings that hold on whatever boot clock they were made."""
    return Sightings(node.state, "sim:/", "any boot", clock)


class FromTheReply(Lease):
    """The deadline counts from the moment the answer came."""

    def acquire(self):
        """Claim."""
        return self._from_now(super().acquire())

    def resume(self):
        """Go on."""
        return self._from_now(super().resume())

    def renew(self):
        """Renew."""
        return self._from_now(super().renew())

    def _from_now(self, answer):
        if isinstance(answer, Grant):
            return answer._replace(deadline=self._clock.boot() + self._ask.timing.run_for)
        return answer


class LateIsEarlyEnough(Lease):
    """A renewal counts whenever it was done."""

    def renew(self):
        """Renew; once more, if it was late, against the deadline that the late one has set."""
        answer = super().renew()
        return super().renew() if isinstance(answer, Lost) and answer.reason == "late" else answer


class Ablation(NamedTuple):
    """A rule, what stands in its place, what must be found then, and within how many seeds.

    `focus` makes what goes wrong in a schedule rarer than chance would.
    """

    rule: str
    rules: Rules
    finds: str
    within: int
    focus: Callable = lambda schedule: schedule


def _without(**changes):
    return REAL._replace(**changes)


def _struck(kinds, points, faults=()):
    """Return a focus: long jobs that do not hear, nodes that wait, and these faults."""

    def focus(schedule):
        span = schedule.span
        planned = (Fault(20 + (span - 20) * n / 12, faults[n % len(faults)], 80.0, None) for n in range(12 if faults else 0))
        return schedule._replace(
            job=schedule.job._replace(lengths=(90.0,), stopping=1000.0),
            nodes=tuple(node._replace(wait=90.0) for node in schedule.nodes),
            strikes=Strikes(points, kinds, 0.5),
            faults=tuple(planned),
            weather=schedule.weather._replace(slow=0.0, lost=0.0, refused=0.0, hard=1.0),
        )

    return focus


_CUT_AND_STOP = _struck(("stop-guard",), ("killing", "stopping"), ("cut",))
_RESTART = _struck(("cut",), ("resuming",), ("kill-keeper", "stop-guard"))

ABLATIONS = (
    Ablation("the swap compares versions", _without(swap_compares=False), "overlaps", 1000),
    Ablation(
        "the job is stopped at its deadline",
        _without(guard_stops_at_deadline=False, keeper_stops_at_deadline=False),
        "overlaps",
        1000,
    ),
    Ablation("a frozen guard has a second watchdog", _without(keeper_stops_at_deadline=False), "overlaps", 1000),
    Ablation("takeover by what was seen, not by the wall clock", _without(sightings=ByTheWallClock), "overlaps", 1000),
    Ablation("takeover by what was seen, not by the store's age", _without(sightings=ByTheStoresAge), "overlaps", 1000),
    Ablation("a sighting is of one version", _without(sightings=OfAnyVersion), "overlaps", 1000),
    Ablation("a sighting is of one boot clock", _without(sightings=of_any_boot), "overlaps", 4000),
    Ablation(
        "a late renewal does not count",
        _without(late_renewals_do_not_count=False, lease=LateIsEarlyEnough),
        "overlaps",
        1000,
    ),
    Ablation("the deadline counts from the send", _without(lease=FromTheReply), "overlaps", 2000),
    Ablation(
        "a margin for clocks of different rates",
        _without(
            patches=(
                ("cronguard.claim.takeover_after", lambda ttl: ttl),
                ("cronguard.timing.Timing.kill", property(lambda timing: timing.kill_after)),
            )
        ),
        "overlaps",
        2000,
    ),
    Ablation("ticks only move forward", _without(every_run=True), "repeats", 100),
    Ablation("three attempts a tick", _without(patches=(("cronguard.claim.MAX_ATTEMPTS", 99),)), "excess", 2000),
    Ablation("settled only when the job is gone", _without(settles_after_the_end=False), "overlaps", 1000),
    Ablation(
        "the keeper ends an orphaned job",
        _without(keeper_ends_orphans=False, keeper_stops_at_deadline=False),
        "overlaps",
        1000,
    ),
    Ablation(
        "no renewal for a frozen guard",
        _without(keeper_renews_only_for_a_living_guard=False),
        "kept_for_nobody",
        1000,
    ),
    Ablation("no start after the deadline", _without(starts_only_before_the_deadline=False), "overlaps", 2000),
    Ablation("a job that ended in time is not lost", _without(an_ended_job_is_not_lost=False), "repeats", 4000),
    Ablation(
        "a new keeper is told the deadline",
        _without(a_new_keeper_is_told_the_deadline=False),
        "overlaps",
        100,
        _RESTART,
    ),
    Ablation(
        "the keeper kills in the end, whoever answers",
        _without(keeper_kills_whoever_answers=False),
        "overlaps",
        500,
        _CUT_AND_STOP,
    ),
)


def first_finding(ablation, most):
    """Return the first seed of which the schedule shows what the rule is for, and what; None if none does."""
    from . import invariants
    from .schedule import draw
    from .world import World

    for seed in range(most):
        world = World(ablation.focus(draw(seed)), ablation.rules).run()
        for name, found in invariants.violations(world):
            if name == ablation.finds:
                return seed, found
    return None
