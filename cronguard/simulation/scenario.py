"""The scenario to simulate: nodes and their strategy, a job, and what fails when.

The simulation uses the real strategies, advice, claim, lease and record, round robin queue, queue of waiting runs and
heartbeat verdicts, all on the memory backend. It models time, cron, the command, the machines and their connections to
the store. These models are simpler than those in tests/simulation, which looks for faults in cronguard itself.
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
_HINT = (
    f"write [KIND:]NODE@AFTER[+LENGTH], such as web1@10m+20m or cut:web1@90s; kinds are {', '.join(KINDS)}"
)
# A schedule's next 29 February may be years later, and Python's years end with 9999.
_LATEST = Tick.parse("9000-01-01T00:00Z")
_MOST_RUNS = 10_000  # half a minute's work: a job that runs every minute for a day on six nodes


SIMPLIFIED = (
    "all clocks agree",
    "the store answers immediately or not at all",
    "a command stops as soon as it is signalled to stop",
    "a node that comes back is up immediately",
    "heartbeats are seen only through the store, and continue when cron is dead",
)


class Failure(NamedTuple):
    """What fails on a node, and from when until when, in seconds after the first tick.

    The kinds are `dead`: the machine is dead; `cut`: it cannot reach the store; `cron`: only its cron is dead;
    `paused`: someone has paused it; `job`: the command exits with status 1.
    """

    kind: str
    node: str
    begin: float
    end: float = inf

    @classmethod
    def parse(cls, text: str, nodes: tuple[str, ...]) -> "Failure":
        """Parse `[KIND:]NODE@AFTER[+LENGTH]`; raises UsageError for any other text or an unknown node."""
        before, colon, rest = text.rpartition(":")
        kind = before if colon else KINDS[0]
        node, at, when = rest.partition("@")
        after, plus, length = when.partition("+")
        if not at or not after or (plus and not length):
            raise UsageError(f"--fail: {text!r} is not a failure", _HINT)
        if kind not in KINDS:
            raise UsageError(f"--fail: {text!r}: {kind!r} is not a kind of failure", _HINT)
        if node not in nodes:
            raise UsageError(f"--fail: {text!r}: {node!r} is not among the nodes {','.join(nodes)}", _HINT)
        begin = parse_duration(after, "--fail")
        return cls(kind, node, begin, begin + parse_duration(length, "--fail") if plus else inf)

    def holds(self, now: float) -> bool:
        """Return whether the failure is present at this time."""
        return self.begin <= now < self.end


class Scenario(NamedTuple):
    """Everything that is decided before the simulation starts. Durations are in seconds.

    `settings` are those of the crontab line, with the nodes by name. The first tick, at 0 s, is the first fire of the
    schedule at or after `start`; more ticks follow for `length`. Each cron starts its line up to `late` seconds after a
    fire. Each node sends a heartbeat every `every` seconds, or none if that is None.
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
        """Return the ticks; raises UsageError if they are too many runs to simulate."""
        if self.start > _LATEST:
            raise UsageError(
                f"--start: {self.start.label} is after {_LATEST.label}", "choose an earlier start"
            )
        first = at = self.schedule.next(self.start.epoch - 1)
        count = self.schedule.number(first + self.length) - self.schedule.number(first)
        if count * len(self.settings.nodes) > _MOST_RUNS:
            raise UsageError(f"--length: this is more than {_MOST_RUNS} runs", "choose a shorter length")
        found = [Tick.of(first)]
        while (at := self.schedule.next(at)) < first + self.length:
            found.append(Tick.of(at))
        return found


def node_names(nodes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the nodes; if only their number is given, they are node1, node2 and so on."""
    if len(nodes) == 1 and nodes[0].isdecimal():
        count = int(nodes[0])
        if not 1 <= count <= 100:
            raise UsageError(
                f"--nodes: {count} is not between 1 and 100", "write --nodes 3 or --nodes web1,web2,web3"
            )
        return tuple(f"node{number}" for number in range(1, count + 1))
    return tuple(check_name(name, "--nodes") for name in nodes)
