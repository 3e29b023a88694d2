"""The text of a dry run: what a run would do now. Nothing is claimed."""

from cronguard.advice.advice import Advice
from cronguard.lease.claim import Ask, Claim, Skip, decide
from cronguard.model.beat import beat_key
from cronguard.model.beat import decode as decode_beat
from cronguard.model.record import Record, decode
from cronguard.run.errand import Errand
from cronguard.store.contract import Backend, latest
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError
from cronguard.turns.turn import Turn


def explain(backend: Backend, errand: Errand, clock: Clock) -> tuple[bool, str]:
    """Return whether the command would run, at once or after a head start, and why."""
    ask = errand.ask
    record = decode(latest(backend, ask.job.key).data, str(ask.job))
    verdict = decide(record, ask, 0.0)
    turn = Advice(backend, ask, errand.strategy, clock, is_look=True)(record, Claim(1))
    told = f"turn: {_when(turn)}{_unknown(backend, errand, clock, turn)}; "
    tick = f"tick {ask.tick.label}"
    if isinstance(verdict, Skip):
        return False, f"{told}{tick}: would skip, {verdict.reason}: {verdict.detail}"
    if not isinstance(verdict, Claim):
        return False, f"{told}lease: {_held(record)}; {tick}: would {_waiting(ask)}"
    done = "not yet run" if verdict.attempt == 1 else "was not completed"
    free = f"{told}lease: {_free(record)}; {tick} {done}: "
    if turn.head_start is None:
        return False, f"{free}would skip, {turn.word}"
    return True, f"{free}would run, attempt {verdict.attempt}"


def _when(turn: Turn) -> str:
    if turn.head_start is None:
        return f"never ({turn.reason})"
    return f"after {turn.head_start:g}s ({turn.reason})" if turn.head_start else f"now ({turn.reason})"


def _unknown(backend: Backend, errand: Errand, clock: Clock, turn: Turn) -> str:
    """Return a note if a head start is given only because no heartbeat here checks whether the others are up."""
    if not turn.head_start or errand.strategy.name == "preempt":
        return ""
    try:
        beat = decode_beat(backend.read(beat_key(errand.ask.node)).data, errand.ask.node)
    except BackendError:
        beat = None
    if beat and beat.is_fresh(errand.ask.boot, clock.boot()):
        return ""
    return "; no recent heartbeat from this node, so the others count as up"


def _free(record: Record | None) -> str:
    return (
        f"free (last: {record.state} on {record.node}, tick {record.tick.label})"
        if record
        else "free, never run"
    )


def _held(record: Record | None) -> str:
    return f"held by {record.node} (pid {record.pid})" if record else "held"


def _waiting(ask: Ask) -> str:
    if ask.wait:
        return f"wait up to {ask.wait:g}s for it"
    return "skip, or wait to take over if the holder seems dead"
