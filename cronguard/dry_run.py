"""What a run would do now, for a person to read; nothing is claimed."""

from cronguard.backend import Backend, Entry
from cronguard.claim import Ask, Claim, Skip, decide
from cronguard.record import decode


def explain(backend: Backend, ask: Ask) -> tuple[bool, str]:
    """Return whether it would run at once, and why."""
    backend.wait(Entry(ask.job.key, 0, b""), 0.0)
    record = decode(backend.read(ask.job.key).data, str(ask.job))
    verdict = decide(record, ask, 0.0)
    if isinstance(verdict, Claim):
        lease = (
            f"free (last: {record.state} on {record.node}, tick {record.tick.label})"
            if record
            else "free, never run"
        )
        return True, f"turn: now; lease: {lease}; tick {ask.tick.label}: would run, attempt {verdict.attempt}"
    if isinstance(verdict, Skip):
        return False, f"turn: now; tick {ask.tick.label}: would skip, {verdict.reason}: {verdict.detail}"
    holder = f"held by {record.node} (pid {record.pid})" if record else "held"
    doing = f"wait for it for {ask.wait:g} s" if ask.wait else "skip, or watch it if its node seems dead"
    return False, f"turn: now; lease: {holder}; tick {ask.tick.label}: would {doing}"
