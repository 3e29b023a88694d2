"""Whether a job may be claimed: a pure function of its record, of who asks, and of what he has seen."""

from typing import NamedTuple

from cronguard.model.job import Job
from cronguard.model.record import Record
from cronguard.model.tick import Tick
from cronguard.model.timing import Timing, takeover_after
from cronguard.system.clock import Clock

MAX_ATTEMPTS = 3  # a job that takes its node down must not take down one after the other
_RETRIED = {
    "never": frozenset[str](),
    "crashed": frozenset({"lost", "cancelled", "running", "revoked"}),
    "failed": frozenset({"lost", "cancelled", "running", "revoked", "failed", "timed-out"}),
}


class Ask(NamedTuple):
    """One run that asks for a job's lease: who, for which tick, by which rules.

    `wait` is how many seconds to watch a held lease; `started` the boot time at which the asking process was
    started.
    """

    job: Job
    tick: Tick
    run: str
    node: str
    boot: str
    pid: int
    user: str
    program: str
    timing: Timing
    started: float
    retry: str = "crashed"
    every_run: bool = False
    wait: float = 0.0
    max_clock_skew: float | None = 300.0


class Claim(NamedTuple):
    """The lease may be claimed, as this attempt at the tick."""

    attempt: int


class Watch(NamedTuple):
    """If nothing changes for this many seconds more, it may be claimed.

    Either another run has it, or (`is_head_start`) it is free, and others may come first.
    """

    left: float
    is_head_start: bool = False


class Skip(NamedTuple):
    """Not to be claimed: a one-word reason, what a person should know, and whether time can change it."""

    reason: str
    detail: str
    is_final: bool = True


Verdict = Claim | Watch | Skip


def decide(record: Record | None, ask: Ask, unchanged: float) -> Verdict:
    """Say whether `ask` may claim; `unchanged` is for how long its own node has seen this very record.

    Nothing but that counts as expiry: no wall clock, no server's time, no file's time.
    """
    if record is None:
        return Claim(1)
    verdict = _tick_rule(record, ask)
    if not record.is_running or isinstance(verdict, Skip):
        return verdict
    left = takeover_after(record.ttl) - unchanged
    return verdict if left <= 0 else Watch(left)


def first_record(ask: Ask, previous: Record | None, attempt: int, wall: float) -> Record:
    """Return the record with which `ask` claims: a higher token, and the history of all who were before.

    The token is the clock, in microseconds, unless the last one was ahead of that. So tokens also grow after the
    store was emptied, and when the job is moved to another store and back; and a claim that a store forgot (a Redis
    that failed over) and the one that took its place do not have the same.
    """
    return Record(
        job=str(ask.job),
        state="running",
        run=ask.run,
        beat=1,
        token=max(previous.token + 1 if previous else 0, int(wall * 1_000_000)),
        tick=ask.tick,
        latest=max(previous.latest, ask.tick) if previous else ask.tick,
        attempt=attempt,
        node=ask.node,
        boot=ask.boot,
        pid=ask.pid,
        user=ask.user,
        program=ask.program,
        ttl=ask.timing.ttl,
        started=wall,
        renewed=wall,
        succeeded=previous.succeeded if previous else None,
        history=previous.closed_history() if previous else (),
        unknown=previous.unknown if previous else (),
    )


def held(record: Record) -> Skip:
    """Return the answer to one who will not watch a running lease."""
    return Skip("held", f"{record.node} runs it (pid {record.pid}, tick {record.tick.label})", is_final=False)


def looks_abandoned(record: Record, age: float | None, clock: Clock) -> bool:
    """Return whether it is worth staying to watch: advice from clocks that may differ, never a right to take over."""
    known_age = clock.wall() - record.renewed if age is None else age
    return known_age > takeover_after(record.ttl)


def stays_true(verdict: Watch | Skip, record: Record | None, ask: Ask) -> bool:
    """Return whether what a plain listing showed, old as it may be, is answer enough.

    That this tick was claimed stays true. That an earlier run is still going on may be over by now, and so may
    somebody else's turn.
    """
    if record is None or (isinstance(verdict, Skip) and verdict.is_final):
        return record is not None
    return record.tick >= ask.tick and not ask.every_run


def _tick_rule(record: Record, ask: Ask) -> Claim | Skip:
    if ask.tick > record.latest:
        return Claim(1)
    if ask.every_run:
        return Claim(1)
    if not record.is_running and _asked_again(record, ask):
        return Claim(1)
    if ask.tick < record.latest or record.tick < record.latest:
        return Skip("superseded", f"tick {ask.tick.label} is past: {record.latest.label} was claimed by then")
    if record.state in _RETRIED[ask.retry] and record.attempt < MAX_ATTEMPTS:
        return Claim(record.attempt + 1)
    return _already(record)


def _asked_again(record: Record, ask: Ask) -> bool:
    """Return whether a person runs the line by hand where it ran: on the same boot of the same node, after that run.

    One that was started before that run ended is no new wish but a contender for the same tick.
    """
    same_node = (record.node, record.boot) == (ask.node, ask.boot)
    return same_node and record.ended_boot is not None and ask.started > record.ended_boot


def _already(record: Record) -> Skip:
    if record.is_running:
        return held(record)
    attempts = f", attempt {record.attempt}" if record.attempt > 1 else ""
    return Skip("already-ran", f"{record.node} ran tick {record.tick.label}: {record.state}{attempts}")
