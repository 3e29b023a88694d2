"""The timelines in docs/schemes.md, drawn from simulated runs: `python -m tests.simulation.timelines` prints them."""

from cronguard.model.timing import Timing
from cronguard.turns.turn import Strategy

from .schedule import Fault, JobPlan, NodePlan, Schedule, Strikes, Weather
from .world import World

HEAD_START = 15.0
NAMES = ("web1", "web2", "web3")
_KEY = "R the node that ran it, and how many seconds after the minute; - alive; x dead; p paused"


def calm(strategy, count=3, faults=(), span=900.0, length=1.0):
    """Return a schedule in which only planned faults happen."""
    nodes = tuple(
        NodePlan(offset=0.1 * number, rate=1.0, uptime=3000.0, wait=0.0, head_start=0.0)
        for number in range(count)
    )
    job = JobPlan(Timing.of(30.0, None), "crashed", (length,), 0.0, 0.1, 30.0)
    weather = Weather(latency=0.01, slow=0, lost=0, refused=0, old=0, hard=1.0, tells_age=True)
    names = strategy.nodes and tuple(f"node{number}" for number in range(count))
    planned = tuple(Fault(*fault) for fault in faults)
    return Schedule(1, nodes, job, weather, planned, Strikes(), span, strategy._replace(nodes=names))


def drawings():
    """Return a timeline for each scheme, by title: its first node fails, and in some comes back."""
    base = Strategy(nodes=NAMES, head_start=HEAD_START)
    crash = [(170.0, "die", 0.0, 0), (290.0, "boot", 0.0, 0)]
    dies = [(170.0, "die", 0.0, 0)]
    pause = [(170.0, "pause", 120.0, 0)]
    schemes = {
        "preempt": (Strategy(head_start=HEAD_START), dies),
        "standby": (base._replace(name="standby"), crash),
        "standby-late": (base._replace(name="standby", failback_after=180.0), crash),
        "standby-paused": (base._replace(name="standby"), pause),
        "round-robin": (Strategy("round-robin", head_start=HEAD_START), dies),
        "time-slice": (base._replace(name="time-slice"), dies),
        "time-slice-cover": (base._replace(name="time-slice", is_covered=True), dies),
    }
    return {name: draw(World(calm(*_planned(plan))).run()) for name, plan in schemes.items()}


def _planned(plan):
    strategy, faults = plan
    return strategy, 3, faults, 500.0


def draw(world, minutes=9):
    """Return a line for each node, with its state minute by minute."""
    claimed = {}
    for run in world.runs:
        if run.grant:
            claimed.setdefault(round(run.began / 60), run)
    heads = "".join(f"{minute:>5}" for minute in range(1, minutes + 1))
    lines = [f"minute{heads}"]
    for name, node in zip(NAMES, world.nodes, strict=True):
        cells = (_cell(world, node, claimed.get(minute), minute) for minute in range(1, minutes + 1))
        lines.append(f"{name:6}" + "".join(f"{cell:>5}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines)


def _cell(world, node, run, minute):
    if run and run.node is node:
        return f"R{round(run.answered_at - run.began)}"
    asked = [one for one in world.runs if one.node is node and round(one.began / 60) == minute]
    if not asked:
        return "x"
    return "p" if asked[0].skip and asked[0].skip.reason == "paused" else "-"


if __name__ == "__main__":
    print(_KEY)
    for name, text in drawings().items():
        print(f"\n{name}\n{text}")
