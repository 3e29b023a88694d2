"""All invariants, and the history that is printed when one is broken."""

from . import liveness, safety

INVARIANTS = (
    safety.overlaps,
    safety.disorder,
    safety.repeats,
    safety.excess,
    safety.regress,
    liveness.errors,
    liveness.false_answers,
    liveness.lost_ticks,
    liveness.delays,
    liveness.endless,
    liveness.stopped_runs,
    liveness.unsettled_runs,
    liveness.kept_for_nobody,
)


def violations(world):
    """Return the violations, as pairs of the invariant's name and what was found."""
    return [(check.__name__, found) for check in INVARIANTS for found in check(world)]


def history(world):
    """Return the course of a schedule in readable form."""
    schedule = world.schedule
    facts = [f"seed {schedule.seed}: {schedule.job}", f"  {schedule.weather}"]
    facts += [f"  {node.name}: {plan}" for node, plan in zip(world.nodes, schedule.nodes, strict=True)]
    told = [(at, f"{who} {what}") for at, who, what in world.notes] + [
        (known.at, f"store: version {known.entry.version} is {_brief(known.record)}")
        for known in world.store.past
    ]
    told += [
        (run.job.ended, f"{run.name} its job ends with {run.job.status}")
        for run in world.runs
        if run.job and run.job.ended
    ]
    told.sort(key=lambda line: line[0])
    return "\n".join(facts + [f"{at:9.3f} {what}" for at, what in told])


def _brief(record):
    return f"{record.state} {record.run} beat {record.beat} attempt {record.attempt} tick {record.tick.label}"
