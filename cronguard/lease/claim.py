"""Whether a run may claim a job: a pure function of the record, the request, and what the node has observed."""

from typing import NamedTuple

from cronguard.model.job import Job
from cronguard.model.record import Record
from cronguard.model.tick import Tick
from cronguard.model.timing import Timing, takeover_after
from cronguard.system.clock import Clock
from cronguard.system.host import Host

MAX_ATTEMPTS = 3  # a job that brings its node down must not bring down one node after another
_RETRIED = {
    "never": frozenset[str](),
    "crashed": frozenset({"lost", "cancelled", "running", "revoked"}),
    "failed": frozenset({"lost", "cancelled", "running", "revoked", "failed", "timed-out"}),
}


class Ask(NamedTuple):
    """One run's request for a job's lease: who requests it, for which tick, under which rules.

    `wait` is how many seconds to watch a held lease. `started` is the boot time at which the requesting process
    started, and `boot` is the name of that clock. Containers of one machine share the clock, but not the `origin`.
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
    host: Host = Host()

    @property
    def origin(self) -> str:
        """The name of the boot and, in a container, of the container: where a person can run the line again."""
        return f"{self.boot}/{self.host.container}" if self.host.container else self.boot


class Claim(NamedTuple):
    """The lease may be claimed; `attempt` counts the attempts at the tick."""

    attempt: int


class Watch(NamedTuple):
    """The lease may be claimed if nothing changes for another `left` seconds.

    Another run holds it, or (`is_head_start`) it is free and other nodes may go first.
    """

    left: float
    is_head_start: bool = False


class Skip(NamedTuple):
    """The lease may not be claimed: a one-word reason, a detail for people, and whether the answer is final."""

    reason: str
    detail: str
    is_final: bool = True


Verdict = Claim | Watch | Skip


def decide(record: Record | None, ask: Ask, unchanged: float) -> Verdict:
    """Decide whether `ask` may claim; `unchanged` is how many seconds its own node has seen exactly this record.

    Only `unchanged` decides whether a lease has expired: no wall clock, server time or file time does.
    """
    if record is None or record.is_forgotten:
        return Claim(1)
    verdict = _tick_rule(record, ask)
    if not record.is_running or isinstance(verdict, Skip):
        return verdict
    left = takeover_after(record.ttl) - unchanged
    return verdict if left <= 0 else Watch(left)


def first_record(ask: Ask, previous: Record | None, attempt: int, wall: float) -> Record:
    """Return the record with which `ask` claims: it has a higher token and keeps the history of earlier runs.

    The token is the wall clock in microseconds, or the previous token plus one if that is higher. So tokens still
    grow after the store was emptied, or after the job moved to another store and back. And if a store forgets a
    claim (Redis after a fail-over), the claim that replaces it has a different token.
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
        boot=ask.origin,
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
    """Return the skip for a run that does not wait for a held lease."""
    detail = f"{record.node} is running it (pid {record.pid}, tick {record.tick.label})"
    return Skip("held", detail, is_final=False)


def looks_abandoned(record: Record, age: float | None, clock: Clock) -> bool:
    """Return whether the holder seems dead, so that watching is worthwhile.

    The clocks compared here may differ, so this never gives the right to take over.
    """
    known_age = clock.wall() - record.renewed if age is None else age
    return known_age > takeover_after(record.ttl)


def stays_true(verdict: Watch | Skip, record: Record | None, ask: Ask) -> bool:
    """Return whether the verdict still holds although the record comes from a read that may be stale.

    A tick that was claimed stays claimed. But an earlier run may have finished since, and another node's turn may
    be over.
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
        detail = f"tick {ask.tick.label} is past: tick {record.latest.label} has already been claimed"
        return Skip("superseded", detail)
    if record.state in _RETRIED[ask.retry] and record.attempt < MAX_ATTEMPTS:
        return Claim(record.attempt + 1)
    return _already(record)


def _asked_again(record: Record, ask: Ask) -> bool:
    """Return whether a person is running the line again by hand, after it ran on this node in the same boot.

    Containers of one machine may have the same node name. A run in another container is not a run by hand: each of
    them has a cron, and all of them start the line.
    A process that started before the earlier run ended is not a new request: it competed for the same tick.
    """
    same_node = (record.node, record.boot) == (ask.node, ask.origin)
    return same_node and record.ended_boot is not None and ask.started > record.ended_boot


def _already(record: Record) -> Skip:
    if record.is_running:
        return held(record)
    attempts = f", attempt {record.attempt}" if record.attempt > 1 else ""
    return Skip("already-ran", f"{record.node} ran tick {record.tick.label}: {record.state}{attempts}")
