"""The plan of a run: program, job, tick and limits, decided before anything is touched."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cronguard.config.settings import Settings
from cronguard.lease.claim import Ask
from cronguard.model.job import Job
from cronguard.model.tick import Tick
from cronguard.model.timing import Timing
from cronguard.run.errand import Errand
from cronguard.run.limits import Limits
from cronguard.system.clock import Clock, clock_name, process_started
from cronguard.system.errors import UsageError
from cronguard.system.host import this_host
from cronguard.system.program import find_program
from cronguard.system.statedir import StateDir
from cronguard.system.user import user_name
from cronguard.turns.turn import Strategy

_ALSO_LOCAL = ("preempt", "time-slice")  # strategies that need no backend that the nodes share


class Plan(NamedTuple):
    """One run, ready to be claimed."""

    program: str
    argv: Sequence[str]
    errand: Errand
    limits: Limits

    @property
    def ask(self) -> Ask:
        """The run's request for its lease."""
        return self.errand.ask


def make_plan(settings: Settings, argv: Sequence[str], env: Mapping[str, str], clock: Clock) -> Plan:
    """Check that the settings fit together and find the program.

    Raises UsageError, and CommandNotFoundError if the program does not exist: a node without it must not take the
    tick.
    """
    check_nodes(settings)
    ask = _ask(settings, argv, user_name(env), clock)
    strategy = strategy_of(settings, ask.tick)
    errand = Errand(
        ask=ask,
        url=settings.backend or "local",
        state=StateDir(settings.state_dir, settings.node),
        backend_timeout=settings.backend_timeout,
        strategy=strategy,
    )
    kill_after = ask.timing.kill_after
    limits = Limits(kill_after=kill_after, timeout=settings.timeout, daemons=settings.daemons)
    return Plan(find_program(argv[0], env.get("PATH")), argv, errand, limits)


def _ask(settings: Settings, argv: Sequence[str], user: str, clock: Clock) -> Ask:
    started = process_started(clock)
    return Ask(
        job=Job.of(settings.ns, settings.name) if settings.name else Job.unnamed(settings.ns, argv, user),
        tick=_tick(settings, clock.wall() - (clock.boot() - started), clock),
        run=os.urandom(8).hex(),
        node=settings.node,
        boot=clock_name(),
        pid=os.getpid(),
        user=user,
        program=os.path.basename(argv[0]),
        timing=Timing.of(settings.ttl, settings.kill_after),
        started=started,
        retry=settings.retry,
        every_run=settings.every_run,
        wait=settings.wait,
        max_clock_skew=settings.max_clock_skew,
        host=this_host(),
    )


def _tick(settings: Settings, started: float, clock: Clock) -> Tick:
    """Return the tick from its label, from the schedule, or from the minute in which cron started this process."""
    if settings.tick:
        return _in_bounds(Tick.parse(settings.tick), settings.max_clock_skew, clock)
    if settings.schedule:
        from cronguard.schedule.schedule import Schedule

        return Schedule.parse(settings.schedule, settings.timezone).tick(started)
    return Tick.of(started)


def _in_bounds(tick: Tick, skew: float | None, clock: Clock) -> Tick:
    """Refuse a tick that is far in the future: every run until then would be skipped as superseded."""
    if skew is not None and tick.epoch > clock.wall() + skew:
        now = Tick.of(clock.wall()).label
        raise UsageError(
            f"--tick: {tick.label} is more than {skew:g}s ahead of this node's clock ({now})",
            "give a tick that is not in the future; see max_clock_skew in the manual",
        )
    return tick


def check_nodes(settings: Settings) -> None:
    """Raise UsageError when the nodes, the strategy and the backend do not fit together."""
    shares = settings.strategy not in _ALSO_LOCAL
    if settings.backend in (None, "local") and (shares or settings.cover or _names(settings)):
        what = f"--strategy {settings.strategy}" if shares else "--cover" if settings.cover else "--nodes"
        raise UsageError(
            f"{what} needs a backend that all nodes share; the local backend is only for one machine",
            "set --backend, or backend in the configuration file",
        )
    if settings.strategy == "standby" and not settings.nodes:
        raise UsageError(
            "--strategy standby needs the nodes in order of precedence",
            'write --nodes web1,web2, or nodes = ["web1", "web2"] in the configuration file',
        )
    if _names(settings) and settings.node not in settings.nodes:
        raise UsageError(
            f"--nodes: this node, {settings.node!r}, is not among {','.join(settings.nodes)}",
            'add it, or set node = "NAME" in the configuration file',
        )
    if settings.fair and not settings.wait:
        raise UsageError(
            "--fair needs --wait: it decides the order of runs that wait", "add --wait, for example --wait 1h"
        )


def _names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the nodes; none if `nodes` is only the number of nodes that take turns by the clock."""
    is_number = settings.strategy in _ALSO_LOCAL and "".join(settings.nodes).isdecimal()
    return () if is_number and len(settings.nodes) == 1 else settings.nodes


def strategy_of(settings: Settings, tick: Tick) -> Strategy:
    """Return the strategy of a run for this tick. Raises UsageError if the time-slice settings do not fit together."""
    strategy = Strategy(
        name=settings.strategy,
        me=settings.node,
        nodes=settings.nodes,
        head_start=settings.head_start,
        failback_after=settings.failback_after,
        is_strict=settings.strict,
        is_covered=settings.cover,
        is_fair=settings.fair,
    )
    if settings.strategy != "time-slice":
        return strategy
    from cronguard.turns.slices import sliced

    return sliced(strategy, settings, tick)
