import pytest
from fakes import EARLIER, JOB, LATER, ask, ended, record

from cronguard.run.dry_run import explain
from cronguard.run.errand import Errand
from cronguard.system.errors import StoreRefusedError


def errand(**asking):
    return Errand(ask(**asking), "memory", None, 30.0)


@pytest.mark.parametrize(("known", "asking", "would_run", "told"), [
    (None, {}, True, "lease: free, never run; tick 2026-11-22T05:30Z not yet run: would run, attempt 1"),
    (ended(tick=EARLIER), {}, True, "free (last: done on web2, tick 2026-11-22T05:29Z); "),
    (ended("lost"), {}, True, "would run, attempt 2"),
    (ended(), {}, False, "would skip, already-ran: web2 ran tick 2026-11-22T05:30Z: done"),
    (ended(tick=LATER), {}, False, "would skip, superseded: "),
    (record(), {}, False, "held by web2 (pid 22); tick 2026-11-22T05:30Z: would skip, or wait to take over"),
    (record(attempt=3), {}, False, "would skip, held: "),
])  # fmt: skip
def test_a_dry_run_reports_what_a_run_would_do_and_claims_nothing(store, known, asking, would_run, told):
    store.publish(known) if known else None
    before = store.inner.read(JOB.key).version
    answer, text = explain(store, errand(**asking), store.clock)
    assert (
        answer is would_run and told in text and text.startswith("turn: now (the first node to claim runs); ")
    )
    assert store.inner.read(JOB.key).version == before and store.writes == 0


def test_a_dry_run_of_an_unreadable_lease_is_refused_like_a_run(store):
    store.inner.swap(store.inner.read(JOB.key), b"{}")
    with pytest.raises(StoreRefusedError):
        explain(store, errand(), store.clock)
