"""A run's time slice: whose it is, by number or by names."""

from cronguard.config.settings import Settings
from cronguard.model.tick import Tick
from cronguard.system.errors import UsageError
from cronguard.turns.turn import Strategy

_MOST_NODES = 1000


def sliced(strategy: Strategy, settings: Settings, tick: Tick) -> Strategy:
    """Return the strategy with this node's place among the slices, and the number of the tick's.

    Nodes that are only counted are called by their numbers. Raises UsageError for what does not fit together.
    """
    if not settings.schedule:
        raise UsageError(
            "--strategy time-slice needs --schedule: the slices are counted by it",
            "write: --strategy time-slice --nodes 2 --index 0 --schedule '*/10 * * * *'",
        )
    from cronguard.schedule.schedule import Schedule

    number = Schedule.parse(settings.schedule, settings.timezone).number(tick.epoch)
    return _placed(strategy, settings)._replace(number=number)


def _placed(strategy: Strategy, settings: Settings) -> Strategy:
    nodes, index = settings.nodes, settings.index
    if not nodes:
        raise UsageError(
            "--strategy time-slice needs --nodes", "write --nodes 2 --index 0, or --nodes web1,web2"
        )
    if len(nodes) == 1 and nodes[0].isdecimal():
        return _numbered(strategy, int(nodes[0]), index)
    if index is not None and index != nodes.index(settings.node):
        place = nodes.index(settings.node)
        raise UsageError(
            f"--index: {index} is not the place of {settings.node} in --nodes, which is {place}",
            "leave --index away: names say it",
        )
    return strategy


def _numbered(strategy: Strategy, count: int, index: int | None) -> Strategy:
    if not 1 <= count <= _MOST_NODES:
        raise UsageError(
            f"--nodes: {count} is not between 1 and {_MOST_NODES}", "say how many nodes take turns"
        )
    if index is None or index >= count:
        told = "is missing" if index is None else f"{index} is not below the {count} of --nodes"
        raise UsageError(f"--index: {told}", "the first node has index 0")
    return strategy._replace(me=str(index), nodes=tuple(map(str, range(count))))
