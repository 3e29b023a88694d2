"""Schedules: nodes, a job, and everything that will go wrong, drawn from a seed."""

from random import Random
from typing import NamedTuple

from cronguard.model.timing import Timing, takeover_after
from cronguard.turns.turn import Strategy

QUIET = 130.0  # seconds without faults at the end, in which everything must recover


class NodePlan(NamedTuple):
    """How a node's clocks run, and the options of its crontab line."""

    offset: float
    rate: float
    uptime: float
    wait: float
    head_start: float


class JobPlan(NamedTuple):
    """The job, and the options that are the same on all nodes."""

    timing: Timing
    retry: str
    lengths: tuple[float, ...]
    failing: float
    stopping: float  # the longest time in seconds from SIGTERM to its end
    backend_timeout: float


class Weather(NamedTuple):
    """How the store answers: the latency each way in seconds, and the chances of each fault of a call."""

    latency: float
    slow: float
    lost: float
    refused: float
    old: float
    hard: float  # how often a call is waited for without a time limit
    tells_age: bool


class Fault(NamedTuple):
    """A fault at a certain time, on the node with this number, or (None) on the holder's node."""

    at: float
    kind: str
    length: float
    node: int | None


class Strikes(NamedTuple):
    """Faults at critical points of a run: at which points, which faults, and how often."""

    points: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    chance: float = 0.0


class Schedule(NamedTuple):
    """Everything that is decided before the simulation."""

    seed: int
    nodes: tuple[NodePlan, ...]
    job: JobPlan
    weather: Weather
    faults: tuple[Fault, ...]
    strikes: Strikes
    span: float
    strategy: Strategy | None = None


KINDS = (
    "crash",
    "kill-guard",
    "kill-keeper",
    "stop-guard",
    "stop-keeper",
    "stop-both",
    "stop-node",
    "cut",
    "step",
)
POINTS = ("sent", "granted", "releasing", "started", "stopping", "killing", "settling", "resuming")


def draw(seed):
    """Return the schedule of a seed."""
    random = Random(f"schedule {seed}")
    job = _job(random)
    span = random.choice((120.0, 180.0, 240.0, 300.0))
    is_calm = random.random() < 0.08
    return Schedule(
        seed=seed,
        nodes=_nodes(random, takeover_after(job.timing.ttl) - job.timing.ttl, job.timing.ttl),
        job=job,
        weather=_weather(random, is_calm),
        faults=() if is_calm else _faults(random, span),
        strikes=Strikes() if is_calm else _strikes(random),
        span=span,
    )


def _job(random):
    ttl = random.choice((10.0, 20.0, 30.0, 30.0, 30.0, 60.0))
    kill_after = random.choice((None, None, 0.0, 0.5, ttl / 3))
    return JobPlan(
        timing=Timing.of(ttl, kill_after),
        retry=random.choice(("crashed", "crashed", "failed", "never")),
        lengths=random.choice(
            ((1.0,), (1.0, 20.0, 50.0), tuple(random.uniform(1, 90) for _ in range(5)), (90.0,))
        ),
        failing=random.choice((0.0, 0.0, 0.2, 0.6)),
        stopping=random.choice((0.1, 5.0, 1000.0)),
        backend_timeout=random.choice((10.0, 30.0, 30.0)),
    )


def _nodes(random, margin, ttl):
    count = random.choice((2, 3, 3, 4, 5))
    apart = random.choice((0.0, 2.0, 50.0))
    waits = random.choice(((0.0,), (0.0,), (20.0,), (90.0,), (0.0, 45.0)))
    head_starts = random.choice(((0.0,), (0.0,), (0.0, 0.0, 15.0)))
    drift = 0.99 * margin / (4 * ttl)  # any two rates differ by less than g / 2 ttl
    return tuple(
        NodePlan(
            offset=random.uniform(-apart, apart),
            rate=1 + random.uniform(-drift, drift),
            uptime=random.choice((0.0, 30.0, 3000.0)),
            wait=random.choice(waits),
            head_start=random.choice(head_starts),
        )
        for _ in range(count)
    )


def _weather(random, is_calm):
    def rarely(*chances):
        return 0.0 if is_calm else random.choice((0.0, *chances))

    return Weather(
        latency=random.choice((0.02, 0.02, 0.3)),
        slow=rarely(0.01, 0.1),
        lost=rarely(0.01, 0.1),
        refused=rarely(0.01, 0.05),
        old=rarely(0.3, 1.0),
        hard=random.choice((0.0, 0.5, 1.0)),
        tells_age=random.random() < 0.7,
    )


def _faults(random, span):
    kinds = random.sample(KINDS, random.randint(1, len(KINDS)))
    return tuple(_fault(random, random.choice(kinds), span) for _ in range(random.randint(0, 7)))


def _strikes(random):
    points = random.sample(POINTS, random.choice((1, 2, 3, len(POINTS))))
    kinds = random.sample(KINDS[:-1], random.choice((1, 2, 3, len(KINDS) - 1)))
    return Strikes(tuple(points), tuple(kinds), random.choice((0.0, 0.03, 0.1, 0.3)))


def _fault(random, kind, span):
    length = {"cut": random.uniform(8, 80), "step": random.uniform(40, 120)}.get(kind, random.uniform(1, 100))
    node = None if random.random() < 0.7 else random.randrange(5)
    return Fault(random.uniform(0, span), kind, length, node)
