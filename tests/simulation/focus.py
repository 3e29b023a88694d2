"""Schedules in which certain faults coincide more often than by chance."""

from cronguard.model.timing import Timing

from .schedule import Fault, Strikes

_EVERY = 12.0  # seconds on average between two planned faults


def on(*, kinds=(), points=(), faults=(), lengths=(90.0,), ttl=None, **weather):
    """Return a function that changes a schedule: jobs ignore SIGTERM, nodes wait, and only these faults happen.

    `kinds` happen at `points`. `faults` happen to the holder in turn, so that each hits every phase of a run.
    """
    calm = {"slow": 0.0, "lost": 0.0, "refused": 0.0, "old": 0.0, "hard": 1.0, **weather}

    def change(schedule):
        timing = Timing.of(ttl, None) if ttl else schedule.job.timing
        return schedule._replace(
            job=schedule.job._replace(
                timing=timing, lengths=lengths, stopping=1000.0, failing=0.0, retry="crashed"
            ),
            nodes=tuple(node._replace(wait=90.0, head_start=0.0) for node in schedule.nodes),
            strikes=Strikes(tuple(points), tuple(kinds), 0.5),
            faults=tuple(_in_turn(schedule, faults)) if faults else (),
            weather=schedule.weather._replace(**calm),
        )

    return change


def _in_turn(schedule, kinds):
    count = int(schedule.span / _EVERY)
    for number in range(count):
        at = (number + (schedule.seed * 0.37) % 1) * _EVERY
        yield Fault(at, kinds[number % len(kinds)], 80.0, None)
