"""The result of a simulation: which node ran which tick and how late, and what was missed, crashed or ran again."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from cronguard.model.tick import Tick
from cronguard.report.history import MISSED, OVERRUN, Run, is_busy
from cronguard.simulation.cluster import JOB, simulate
from cronguard.simulation.run import Came
from cronguard.simulation.scenario import Scenario


class Outcome(NamedTuple):
    """The runs in the order of their ticks, and why other runs did not start. A tick without a run has a row too."""

    runs: tuple[Run, ...]
    skips: dict[str, int]
    unwritten: int

    def summary(self) -> dict[str, Any]:
        """Return the result in numbers, with stable keys."""
        ran = [run for run in self.runs if run.node]
        done = Counter(run.tick for run in ran if run.state == "done")
        latest = max(ran, key=late, default=None)
        return {
            "ticks": len({run.tick for run in self.runs}),
            "done": len(done),
            "missed": sum(run.state == MISSED for run in self.runs),
            "overrun": sum(run.state == OVERRUN for run in self.runs),
            "nodes": dict(sorted(Counter(run.node for run in ran).items())),
            "states": dict(sorted(Counter(run.state for run in ran).items())),
            "retried": sum(run.attempt > 1 for run in ran),
            "done_twice": sum(times > 1 for times in done.values()),
            "unwritten": self.unwritten,
            "latest": latest
            and {"node": latest.node, "tick": Tick.of(latest.tick).label, "late": late(latest)},
            "not_begun": self.skips,
        }


def late(run: Run) -> float:
    """Return how many seconds after its tick a run started; 0 for a tick without a run."""
    return 0.0 if run.started is None else round(run.started - run.tick, 1)


def outcome(scenario: Scenario) -> Outcome:
    """Simulate a scenario; raises UsageError if it is too long."""
    fires = scenario.fires()
    came = simulate(scenario, fires)
    ran = sorted((one.run for one in came if one.run), key=lambda run: (run.tick, run.started or 0.0))
    runs = [*ran, *_nobodys(ran, fires)]
    return Outcome(tuple(sorted(runs, key=lambda run: run.tick)), _skips(came), _unwritten(came))


def _nobodys(ran: Sequence[Run], fires: Sequence[Tick]) -> list[Run]:
    ticks = {run.tick for run in ran}
    left = [float(tick.epoch) for tick in fires if tick.epoch not in ticks]
    return [Run(str(JOB), at, "", OVERRUN if is_busy(ran, at) else MISSED) for at in left]


def _skips(came: Sequence[Came]) -> dict[str, int]:
    return dict(sorted(Counter(one.word for one in came if one.run is None).items()))


def _unwritten(came: Sequence[Came]) -> int:
    return sum(one.run is not None and one.run.ended is not None and not one.is_written for one in came)
