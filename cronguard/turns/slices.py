"""A run's time slice: which node owns it, with the nodes given by number or by name."""

from cronguard.config.settings import Settings
from cronguard.model.tick import Tick
from cronguard.system.errors import UsageError
from cronguard.turns.turn import Strategy

_MOST_NODES = 1000
_COUNTING = "use 0 for the first node"


def sliced(strategy: Strategy, settings: Settings, tick: Tick) -> Strategy:
    """Return the strategy with this node's place among the slices, and with the number of the tick's slice.

    If only the number of nodes is given, their indexes serve as names. Raises UsageError if the settings do not fit
    together.
    """
    if not settings.schedule:
        raise UsageError(
            "--strategy time-slice needs --schedule, which defines the slices",
            "write, for example, --strategy time-slice --nodes 2 --index 0 --schedule '*/10 * * * *'",
        )
    from cronguard.schedule.schedule import Schedule

    number = Schedule.parse(settings.schedule, settings.timezone).number(tick.epoch)
    return _placed(strategy, settings)._replace(number=number)


def _placed(strategy: Strategy, settings: Settings) -> Strategy:
    nodes, index = settings.nodes, settings.index
    if not nodes:
        raise UsageError(
            "--strategy time-slice needs --nodes", "write --nodes 2 --index 0 or --nodes web1,web2"
        )
    if len(nodes) == 1 and nodes[0].isdecimal():
        return _numbered(strategy, int(nodes[0]), index)
    if index is not None and index != nodes.index(settings.node):
        place = nodes.index(settings.node)
        raise UsageError(
            f"--index: {index} is not the position of {settings.node} in --nodes, which is {place}",
            "omit --index: it follows from the names in --nodes",
        )
    return strategy


def _numbered(strategy: Strategy, count: int, index: int | None) -> Strategy:
    if not 1 <= count <= _MOST_NODES:
        raise UsageError(
            f"--nodes: {count} is not between 1 and {_MOST_NODES}", "give the number of nodes that take turns"
        )
    if index is None:
        raise UsageError("--strategy time-slice needs --index", _COUNTING)
    if index >= count:
        raise UsageError(f"--index: {index} is not less than the number of nodes, {count}", _COUNTING)
    return strategy._replace(me=str(index), nodes=tuple(map(str, range(count))))
