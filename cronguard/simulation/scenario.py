"""What is to be simulated: nodes and their strategy, a job, and what fails when.

Real are the strategies, the advice that asks them, the claim, the lease and its record, the round robin's queue, the
line of those who wait, and the heartbeats' verdicts, all on the memory backend. Stood in for are time, cron, the
command, the machines and their way to the store, more simply than in tests/simulation, which looks for faults in
cronguard itself.
"""

from math import inf
from typing import NamedTuple

from cronguard.config.settings import Settings
from cronguard.model.duration import parse_duration
from cronguard.model.job import check_name
from cronguard.model.tick import Tick
from cronguard.schedule.schedule import Schedule
from cronguard.system.errors import UsageError

KINDS = ("dead", "cut", "cron", "paused", "job")
_HINT = f"write [KIND:]NODE@AFTER[+LENGTH], like web1@10m+20m or cut:web1@90s; kinds are {', '.join(KINDS)}"
_LATEST = Tick.parse(
    "9000-01-01T00:00Z"
)  # 29 February may be years after it, and Python's years end with 9999
_MOST_RUNS = 10_000  # half a minute's work: a day of every minute on six nodes


SIMPLIFIED = (
    "all clocks agree",
    "the store answers at once, or not at all",
    "a command that is told to stop has stopped",
    "a node that comes back is up at once",
    "heartbeats are seen through the store alone, and go on when a cron is dead",
)


class Failure(NamedTuple):
    """What fails on a node, from when until when, in seconds after the first tick.

    `dead`: the machine; `cut`: its way to the store; `cron`: its cron alone; `paused`: it is, by a person; `job`: the
    command ends with status 1.
    """

    kind: str
    node: str
    begin: float
    end: float = inf

    @classmethod
    def parse(cls, text: str, nodes: tuple[str, ...]) -> "Failure":
        """Read `[KIND:]NODE@AFTER[+LENGTH]`; raises UsageError for what is not that, or another node."""
        before, colon, rest = text.rpartition(":")
        kind = before if colon else KINDS[0]
        node, at, when = rest.partition("@")
        after, plus, length = when.partition("+")
        if not at or not after or (plus and not length):
            raise UsageError(f"--fail: {text!r} is no failure", _HINT)
        if kind not in KINDS:
            raise UsageError(f"--fail: {text!r}: {kind!r} is no kind of failure", _HINT)
        if node not in nodes:
            raise UsageError(f"--fail: {text!r}: {node!r} is not among the nodes {','.join(nodes)}", _HINT)
        begin = parse_duration(after, "--fail")
        return cls(kind, node, begin, begin + parse_duration(length, "--fail") if plus else inf)

    def holds(self, now: float) -> bool:
        """Return whether it is so at this moment."""
        return self.begin <= now < self.end


class Scenario(NamedTuple):
    """All that is decided beforehand. Durations are seconds.

    `settings` are those of the line, with the nodes by name. The first tick, at 0 s, is the first fire of the schedule at or
    after `start`, `length` is for how long others follow. `late`: within how many seconds after a fire each cron starts
    its line. `every`: how often each node beats, if it does.
    """

    settings: Settings
    schedule: Schedule
    start: Tick
    length: float = 3600.0
    duration: float = 10.0
    failures: tuple[Failure, ...] = ()
    late: float = 1.0
    every: float | None = None
    seed: int = 0

    def fires(self) -> list[Tick]:
        """Return the ticks; raises UsageError when these are too many runs to be simulated."""
        if self.start > _LATEST:
            raise UsageError(f"--start: {self.start.label} is after {_LATEST.label}", "choose an earlier one")
        first = at = self.schedule.next(self.start.epoch - 1)
        count = self.schedule.number(first + self.length) - self.schedule.number(first)
        if count * len(self.settings.nodes) > _MOST_RUNS:
            raise UsageError(f"--length: these are more than {_MOST_RUNS} runs", "simulate a shorter time")
        found = [Tick.of(first)]
        while (at := self.schedule.next(at)) < first + self.length:
            found.append(Tick.of(at))
        return found


def node_names(nodes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the nodes, where it may only be said how many there are."""
    if len(nodes) == 1 and nodes[0].isdecimal():
        count = int(nodes[0])
        if not 1 <= count <= 100:
            raise UsageError(
                f"--nodes: {count} is not between 1 and 100", "write --nodes 3, or web1,web2,web3"
            )
        return tuple(f"node{number}" for number in range(1, count + 1))
    return tuple(check_name(name, "--nodes") for name in nodes)
