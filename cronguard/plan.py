"""What a run is going to be: program, job, tick and limits, decided before anything is touched."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cronguard.claim import Ask
from cronguard.clock import Clock, boot_id, process_started
from cronguard.config import Settings
from cronguard.errand import Errand
from cronguard.errors import UsageError
from cronguard.job import Job
from cronguard.limits import Limits
from cronguard.program import find_program
from cronguard.statedir import StateDir
from cronguard.tick import Tick
from cronguard.timing import Timing
from cronguard.turns.preempt import turn


class Plan(NamedTuple):
    """One run, ready to be claimed."""

    program: str
    argv: Sequence[str]
    errand: Errand
    limits: Limits

    @property
    def ask(self) -> Ask:
        """Who asks for which lease."""
        return self.errand.ask


def make_plan(settings: Settings, argv: Sequence[str], env: Mapping[str, str], clock: Clock) -> Plan:
    """Check that the settings fit together and find the program.

    Raises UsageError, and CommandNotFoundError for a program that is not there: a node that lacks it must not
    take the tick.
    """
    _check_nodes(settings)
    ask = _ask(settings, argv, _user(env), clock)
    errand = Errand(
        ask=ask,
        url=settings.backend or "local",
        state=StateDir(settings.state_dir, settings.node),
        backend_timeout=settings.backend_timeout,
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
        boot=boot_id(),
        pid=os.getpid(),
        user=user,
        program=os.path.basename(argv[0]),
        timing=Timing.of(settings.ttl, settings.kill_after),
        started=started,
        retry=settings.retry,
        every_run=settings.every_run,
        wait=settings.wait,
        head_start=turn().head_start or 0.0,
        max_clock_skew=settings.max_clock_skew,
    )


def _tick(settings: Settings, started: float, clock: Clock) -> Tick:
    """Return the tick by label, by schedule, or by the minute of this node's clock in which cron started us."""
    if settings.tick:
        return _in_bounds(Tick.parse(settings.tick), settings.max_clock_skew, clock)
    if settings.schedule:
        from cronguard.schedule import Schedule

        return Schedule.parse(settings.schedule, settings.timezone).tick(started)
    return Tick.of(started)


def _in_bounds(tick: Tick, skew: float | None, clock: Clock) -> Tick:
    """Refuse a tick far ahead: every run until then would be refused as superseded."""
    if skew is not None and tick.epoch > clock.wall() + skew:
        now = Tick.of(clock.wall()).label
        raise UsageError(
            f"--tick: {tick.label} is more than {skew:g} s ahead of this node's clock ({now})",
            "a tick is a moment that has come; see max_clock_skew in the manual",
        )
    return tick


def _check_nodes(settings: Settings) -> None:
    if not settings.nodes:
        return
    if settings.backend in (None, "local"):
        raise UsageError("--nodes: the local backend guards nothing between machines", "give --backend, too")
    if settings.node not in settings.nodes:
        raise UsageError(
            f"--nodes: this node, {settings.node!r}, is not among {','.join(settings.nodes)}",
            'add it, or set node = "NAME" in the configuration',
        )


def _user(env: Mapping[str, str]) -> str:
    if user := env.get("LOGNAME") or env.get("USER"):
        return user
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
