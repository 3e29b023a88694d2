"""What must happen: every run gets a true answer in time, and nothing waits forever.

A run is owed this if nothing went wrong for it while it asked: its node was alive and connected, each of its calls was
answered within a second, and its processes were left alone. Other nodes may crash, hang or be cut off. Calls that are
refused, or whose answers are lost, excuse only an error after the time for which a run retries.
"""

from collections import defaultdict
from math import inf

from cronguard.lease.claim import MAX_ATTEMPTS
from cronguard.model.timing import takeover_after
from cronguard.run.keeper import HEARD

from .connection import LATE

_OLDEST = 30.0
_SLACK = 4.0  # seconds: for calls, forks, the polling interval, and clocks that run at different rates
_ONE_CALL = (
    25.0  # seconds: renewals within them may be a single slow one, repeated because its answer was lost
)
_SILENT = 2.6  # seconds after which a stopped guard is known not to answer
_LONGEST_WATCH = 5.0  # a slice of watching
_PASSING = frozenset({"lost", "denied", "refused"})  # troubles of a single call; the next one may be answered
_LOST_FOR = 10.0  # seconds at most until a lost answer is noticed: an earlier read may be that old
_ONE_ROUND = 2.0  # seconds: the pause before a retry, and the calls before the one that fails
_RETRIED = {
    "never": (),
    "crashed": ("lost", "cancelled"),
    "failed": ("lost", "cancelled", "failed", "timed-out"),
}


def errors(world):
    """Yield the runs that got no answer although nothing went wrong for them."""
    for run in _owed(world):
        if not (run.grant or run.skip):
            yield f"{run.name} got {run.answer!r}"


def false_answers(world):
    """Yield the runs that were skipped for a reason that was not true."""
    for run in _owed(world):
        if run.skip and not _IS_TRUE[run.skip.reason](world, run):
            yield f"{run.name} was told {run.skip.reason}, which was not so: {run.skip.detail}"


def lost_ticks(world):
    """Yield the ticks that no run claimed or rightly skipped."""
    claimed = {known.record.tick for known in world.store.past}
    owed = {run.ask.tick for run in _owed(world)}
    true = {run.ask.tick for run in _owed(world) if run.skip and _IS_TRUE[run.skip.reason](world, run)}
    for tick in sorted(owed - claimed - true):
        yield f"{tick.label} was lost"


def delays(world):
    """Yield the runs that took longer to get an answer than their wait, head start, a takeover and the slack."""
    for run in world.runs:
        most = run.ask.wait + run.head_start + takeover_after(run.ask.timing.ttl) + _LONGEST_WATCH + _SLACK
        if (
            run.answer is not None
            and not run.had_trouble(run.answered_at)
            and run.answered_at - run.began > most
        ):
            yield f"{run.name} asked for {run.answered_at - run.began:.1f} s"


def endless(world):
    """Yield the runs that never ended."""
    for run in world.runs:
        if not run.is_over or (run.ran() and run.ran()[1] == inf):
            yield f"{run.name} is still there"


def stopped_runs(world):
    """Yield the jobs that were stopped although nothing went wrong for them."""
    for run in world.runs:
        if run.ran() and run.job.was_told and not run.had_trouble():
            yield f"{run.name} was stopped"


def unsettled_runs(world):
    """Yield the jobs whose outcome did not reach the store although nothing went wrong for them."""
    settled = {known.record.run for known in world.store.past if not known.record.is_running}
    for run in world.runs:
        if run.ran() and run.name not in settled and not run.had_trouble():
            yield f"{run.name} was not settled"


def kept_for_nobody(world):
    """Yield the runs whose lease was renewed repeatedly although their guard was stopped."""
    sent = defaultdict(list)
    for known in world.store.past:
        if known.record.is_running:
            sent[known.record.run].append(known.record.renewed)
    for run in world.runs:
        for begin, end in run.stopped:
            beats = [at for at in map(run.node.true_time, sent[run.name]) if begin + _SILENT < at < end - 0.1]
            if beats and max(beats) - min(beats) > _ONE_CALL:
                yield f"{run.name} was renewed {len(beats)} times while its guard was stopped"


def _owed(world):
    return [run for run in world.runs if run.answer is not None and not _is_excused(world, run)]


def _is_excused(world, run):
    """Return whether there was a lasting trouble, or passing ones for longer than a run retries."""
    troubles = [(at, what) for at, what in run.troubles if at <= run.answered_at]
    if any(what not in _PASSING for _, what in troubles):
        return True
    job = world.schedule.job
    asked_again = min(HEARD * job.backend_timeout, job.timing.run_for) - job.backend_timeout / 6 - _ONE_ROUND
    is_error = not (run.grant or run.skip)
    return is_error and bool(troubles) and run.answered_at - troubles[0][0] >= run.node.true(asked_again)


def _current(world, run, since):
    """Return the versions that were the latest at some time from `since` until the answer."""
    past = world.store.past
    ends = [known.at for known in past[1:]] + [inf]
    return [
        known for known, end in zip(past, ends, strict=True) if known.at <= run.answered_at and end >= since
    ]


def _superseded(world, run):
    return any(known.record.latest > run.ask.tick for known in _current(world, run, run.began - _OLDEST))


def _already_ran(world, run):
    for known in _current(world, run, run.began - _OLDEST):
        record = known.record
        is_over = record.state not in ("running", "revoked", *_RETRIED[run.ask.retry])
        if record.tick == run.ask.tick and (
            is_over or record.attempt >= MAX_ATTEMPTS or run.ask.retry == "never"
        ):
            return True
    return False


def _held(world, run):
    """Return whether another run had this tick, or a lease that had not expired, or that seemed so by the clocks."""
    for known in _current(world, run, run.began - _OLDEST):
        if known.record.is_running and known.record.tick == run.ask.tick:
            return True
    return _not_run_out(world, run, run.began)


def _waited_out(world, run):
    """Return whether the lease was still held when the wait ended. Changes while the answer was sent do not count."""
    over = run.began + run.node.true(run.ask.wait)
    age = LATE + (_LOST_FOR if run.had_trouble(run.answered_at) else 0.0)
    return run.answered_at >= over - 0.1 and _not_run_out(world, run, min(over, run.answered_at - age))


def _not_run_out(world, run, since):
    lost = _LOST_FOR if run.had_trouble(run.answered_at) else 0.0
    most = takeover_after(run.ask.timing.ttl) + _SLACK + lost
    for known in _current(world, run, since):
        is_seen = run.answered_at - run.node.seen.get(known.entry.version, run.answered_at) > most
        if known.record.is_running and not is_seen and _looked_young(world, run, known, most):
            return True
    return False


def _looked_young(world, run, known, most):
    """Return whether the lease had not expired, or had not according to the clock that measures its age."""
    if run.answered_at - known.at <= most:
        return True
    if world.schedule.weather.tells_age:
        moments = [
            run.began,
            run.answered_at,
            *(at for at, _ in world.steps if run.began < at < run.answered_at),
        ]
        ages = [_stored_now(world, at) - known.stored for at in moments]
    else:
        ages = [run.node.wall() - (world.timeline.now - run.answered_at) - known.record.renewed]
    return min(ages) <= most


def _stored_now(world, at):
    offset = next((offset for stepped, offset in reversed(world.steps) if stepped <= at), 0.0)
    from .store import EPOCH

    return EPOCH + at + offset


def _not_its_turn(world, run):
    """Return whether the strategy may refuse a run: only a strict queue does, or a slice that no node covers."""
    strategy = world.schedule.strategy
    return strategy is not None and (strategy.is_strict or _leaves_slices(strategy))


def _leaves_slices(strategy):
    return strategy.name == "time-slice" and not strategy.is_covered


def _paused(world, run):
    return run.node.name in world.paused


_IS_TRUE = {
    "not-its-turn": _not_its_turn,
    "paused": _paused,
    "superseded": _superseded,
    "already-ran": _already_ran,
    "held": _held,
    "waited-out": _waited_out,
}
