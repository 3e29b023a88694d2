"""The simulated cluster: it plays a scenario, from the first tick to the end of the last run."""

from collections.abc import Sequence
from math import inf
from random import Random

from cronguard.admin.drain import pause
from cronguard.lease.claim import Ask
from cronguard.model.job import Job
from cronguard.model.pause import Pause
from cronguard.model.tick import Tick
from cronguard.model.timing import Timing
from cronguard.run.plan import strategy_of
from cronguard.simulation.heart import Heart
from cronguard.simulation.node import Node, NodeClock
from cronguard.simulation.run import Came, SimulatedRun
from cronguard.simulation.scenario import Scenario
from cronguard.simulation.store import Connection, Store
from cronguard.simulation.virtual_time import VirtualTime

JOB = Job("simulated", "job")
_KNOWN_AFTER = 5  # heartbeats, after which every node has a verdict on every other node


def simulate(scenario: Scenario, fires: Sequence[Tick]) -> list[Came]:
    """Return the result of each run for these ticks, in the order in which they started; the same on each call."""
    return _Cluster(scenario, fires).run()


class _Cluster:
    def __init__(self, scenario: Scenario, fires: Sequence[Tick]) -> None:
        self._scenario, settings = scenario, scenario.settings
        self._fires = fires
        self._first = self._fires[0].epoch
        self._random = Random(f"simulate {scenario.seed}")  # noqa: S311 - each simulation must be the same
        every = scenario.every
        self._time = VirtualTime(-(_KNOWN_AFTER * every + settings.failback_after) if every else 0.0)
        start = float(self._first)
        self._store = Store(NodeClock(self._time, start))
        self._nodes = [
            Node(name, self._time, start, tuple(one for one in scenario.failures if one.node == name))
            for name in settings.nodes
        ]
        self._runs: list[SimulatedRun] = []
        self._timing = Timing.of(settings.ttl, settings.kill_after)

    def run(self) -> list[Came]:
        for node in self._nodes:
            self._plan_heart(node)
            self._plan_failures(node)
        for tick in self._fires:
            for node in self._nodes:
                self._plan_start(node, tick)
        self._time.run()
        return [run.came for run in self._runs if run.came]

    def _plan_start(self, node: Node, tick: Tick) -> None:
        late = self._random.random() * self._scenario.late
        self._time.at(tick.epoch - self._first + late, lambda: self._start(node, tick))

    def _start(self, node: Node, tick: Tick) -> None:
        if node.has("dead") or node.has("cron"):
            return
        settings = self._scenario.settings._replace(node=node.name)
        ask = Ask(
            job=JOB,
            tick=tick,
            run=f"run{len(self._runs)}",
            node=node.name,
            boot=node.boot_id,
            pid=len(self._runs),
            user="cron",
            program="job",
            timing=self._timing,
            started=node.clock.boot(),
            retry=settings.retry,
            every_run=settings.every_run,
            wait=settings.wait,
        )
        strategy = strategy_of(settings, tick)
        run = SimulatedRun(node, self._store, ask, strategy, settings, self._scenario.duration)
        self._runs.append(run)

    def _plan_heart(self, node: Node) -> None:
        every = self._scenario.every
        if every is None:
            return
        heart = Heart(node, Connection(self._store, node), self._scenario.settings.nodes, every)
        last = self._fires[-1].epoch - self._first + every

        def beat() -> None:
            heart.beat()
            if self._time.now < last or any(other.threads for other in self._nodes):
                self._time.at(self._time.now + every, beat)

        self._time.at(self._time.now + self._random.random() * self._scenario.late, beat)

    def _plan_failures(self, node: Node) -> None:
        for failure in self._scenario.failures:
            if failure.node == node.name and failure.kind == "dead":
                self._time.at(failure.begin, node.die)
                if failure.end < inf:
                    self._time.at(failure.end, node.boot)
            elif failure.node == node.name and failure.kind == "paused":
                self._plan_pause(node.name, failure.begin, failure.end)

    def _plan_pause(self, name: str, begin: float, end: float) -> None:
        until = None if end == inf else self._first + end
        planned = Pause(self._first + begin, until, "", "simulated")

        def act() -> None:
            pause(self._store.memory, name, planned, (name,))

        self._time.at(begin, act)
