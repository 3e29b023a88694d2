"""The cluster of one schedule, from the first tick to the end of the last process."""

from contextlib import ExitStack
from math import ceil
from random import Random
from unittest.mock import patch

from cronguard.lease.claim import Ask
from cronguard.model.job import Job
from cronguard.model.tick import Tick

from . import faults, hearts
from .guard import Guard
from .node import Node
from .rules import REAL
from .run import Run
from .schedule import QUIET
from .store import Store, decode
from .timeline import Timeline

JOB = Job("sim", "job")
_CACHED = "cronguard.lease.lease.decode"
_LATE_CRON = 0.9  # seconds at most from the minute until cron starts its line
_DRAIN = 400.0  # seconds after the last tick: by then the longest job, wait, takeover and settling have ended


class World:
    """Everything that the course of a schedule depends on. The same schedule always takes the same course."""

    def __init__(self, schedule, rules=REAL):
        self.schedule, self.rules = schedule, rules
        self.timeline = Timeline()
        self.random = Random(f"course {schedule.seed}")
        self.store = Store(self.timeline, self.random, schedule.weather.tells_age, rules.swap_compares)
        self.nodes = [Node(self, plan, number) for number, plan in enumerate(schedule.nodes)]
        self.runs, self.notes, self.steps = [], [], []
        self.paused = set()  # nodes that were ever paused

    def run(self):
        """Run the whole schedule."""
        self._plan()
        with ExitStack() as stack:
            for name, instead in ((_CACHED, decode), *self.rules.patches):
                stack.enter_context(patch(name, instead, create=name == _CACHED))
            self.timeline.run(self.schedule.span + QUIET + _DRAIN)
        return self

    @property
    def is_quiet(self):
        """True when no new faults may happen."""
        return self.timeline.now >= self.schedule.span

    def some(self, most):
        """Return a random number of seconds below `most`."""
        return self.random.random() * most

    def note(self, who, what):
        """Add a line to the history."""
        self.notes.append((self.timeline.now, who, what))

    def strike(self, run, point):
        """Perhaps cause a fault at a critical point of a run."""
        faults.strike_at(self, run, point)

    def some_run(self):
        """Return a current run, preferably one whose job is alive."""
        going = [run for run in self.runs if not run.is_over]
        running = [run for run in going if run.job and run.job.is_alive]
        return self.random.choice(running or going) if going else None

    def _plan(self):
        if self.schedule.strategy:
            hearts.plan(self)
        for fault in self.schedule.faults:
            self.timeline.at(fault.at, faults.happen, self, fault)
        for node, plan in zip(self.nodes, self.schedule.nodes, strict=True):
            first, last = ceil((plan.offset + 2) / 60), ceil((self.schedule.span + QUIET + plan.offset) / 60)
            for minute in range(first, last):
                self.timeline.at(60 * minute - plan.offset + self.some(_LATE_CRON), self._cron, node, plan)

    def _cron(self, node, plan):
        if node.is_up and not node.is_stopped:
            run = Run(self, node, self._ask(node, plan), self._most_head_start(plan))
            self.runs.append(run)
            run.note(f"begins for {run.ask.tick.label}")
            Guard(self, run)

    def _most_head_start(self, plan):
        strategy = self.schedule.strategy
        if strategy is None:
            return plan.head_start
        return max((len(self.nodes) - 1) * strategy.head_start, plan.wait if strategy.is_fair else 0.0)

    def _ask(self, node, plan):
        return Ask(
            job=JOB,
            tick=Tick.of(node.wall()),
            run=f"{node.name}-run{len(self.runs)}",
            node=node.name,
            boot=node.boot_id,
            pid=len(self.runs),
            user="app",
            program="job",
            timing=self.schedule.job.timing,
            started=node.boot(),
            retry=self.schedule.job.retry,
            every_run=self.rules.every_run,
            wait=plan.wait,
        )
