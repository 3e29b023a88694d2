"""What must never happen, checked on the whole history of a schedule."""

from collections import defaultdict
from itertools import combinations, pairwise

MOST_ATTEMPTS = 3
_WOKEN = (
    1.0  # seconds within which a process that was stopped beyond its deadline kills its job, as in the lab
)


def overlaps(world):
    """Yield the pairs of jobs that were alive at the same time.

    An overlap is allowed only if it began while the earlier run's guard and keeper were stopped, and ended when they
    woke.
    """
    ran = sorted((run for run in world.runs if run.ran()), key=lambda run: run.ran()[0])
    for earlier, later in combinations(ran, 2):
        begin, end = later.ran()[0], min(earlier.ran()[1], later.ran()[1])
        if begin < end and not _was_helpless(earlier, begin, end):
            yield f"overlap of {end - begin:.3f} s at {begin:.3f}: {earlier.name} and {later.name}"


def disorder(world):
    """Yield the starts whose token is not higher than that of the previous start."""
    ran = sorted((run for run in world.runs if run.ran()), key=lambda run: run.ran()[0])
    for earlier, later in pairwise(ran):
        if later.grant.token <= earlier.grant.token:
            yield f"token {later.grant.token} of {later.name} is not above that of {earlier.name}"


def repeats(world):
    """Yield the ticks that were claimed again, and succeeded again, after a success was in the store."""
    past = world.store.past
    claimed = {known.record.run: known.at for known in reversed(past)}
    settled = {known.record.run: known for known in past if not known.record.is_running}
    for tick, runs in _by_tick(world).items():
        fine = sorted((run for run in runs if _succeeded(run)), key=lambda run: claimed[run.name])
        for earlier, later in pairwise(fine):
            if earlier.name in settled and settled[earlier.name].at < claimed[later.name]:
                state = settled[earlier.name].record.state
                yield f"{tick.label} succeeded twice: {earlier.name}, settled as {state}, and {later.name}"


def excess(world):
    """Yield the ticks that were tried too often, and the jobs that started without a claim."""
    claims = defaultdict(set)
    for known in world.store.past:
        claims[known.record.tick].add(known.record.run)
    for tick, runs in claims.items():
        if len(runs) > MOST_ATTEMPTS:
            yield f"{tick.label} was tried {len(runs)} times"
    for run in world.runs:
        if run.ran() and run.name not in claims[run.ask.tick]:
            yield f"{run.name} ran without a claim"


def regress(world):
    """Yield the claims for a tick that is not later than the one claimed before, unless it is a retry."""
    for before, after in pairwise(world.store.past):
        old, new = before.record, after.record
        is_claim = new.run != old.run
        if is_claim and (new.tick < old.latest or (new.tick == old.tick and old.state == "done")):
            yield f"{new.run} claims {new.tick.label} after {old.run} had {old.latest.label} {old.state}"


def _succeeded(run):
    return run.ran() is not None and run.job.status == 0 and not run.job.was_told


def _was_helpless(run, begin, end):
    """Return whether no process could enforce the run's deadline when an overlap began, but one did on waking.

    Guard and keeper were both stopped, or one was stopped and the other dead.
    """
    least = run.ask.timing.kill_after
    return any(
        since <= begin <= until and end <= until + _WOKEN and until - since >= least
        for since, until in _joined(run.helpless)
    )


def _joined(intervals):
    """Return the intervals, joined where there is no time to act between them."""
    joined = []
    for since, until in intervals:
        goes_on = joined and since <= joined[-1][1] + _WOKEN
        joined.append((joined.pop()[0] if goes_on else since, until))
    return joined


def _by_tick(world):
    runs = defaultdict(list)
    for run in world.runs:
        if run.ran():
            runs[run.ask.tick].append(run)
    return runs
