import pytest
from fakes import TICK, ended, record
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from cronguard.model.record import encode
from cronguard.report.counters import Event
from cronguard.report.exposition import Family, expose
from cronguard.report.metrics import facts, families
from cronguard.store.memory import MemoryBackend

DONE = {"tick": TICK.label, "node": "web3", "state": "done", "status": 0, "token": 3, "attempt": 1}


def parsed(rows, counts=()):
    """Return what Prometheus' own parser reads: the values by name and labels."""
    text = expose(families(rows, dict(counts)))
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(*known):
    backend = MemoryBackend()
    for number, one in enumerate(known):
        backend.swap(
            backend.read(f"lease/billing/job{number}"), one if isinstance(one, bytes) else encode(one)
        )
    return parsed(facts(backend))


def about(found, name):
    """Return the values of a metric by its labels, without the namespace."""
    return {key[1:-1]: value for key, value in found.items() if key[0] == f"cronguard_{name}"}


def test_a_job_that_succeeded():
    found = of(record().settled("done", 0, TICK.epoch + 4.5, 1.0))
    assert about(found, "last_success_timestamp_seconds") == {("job0",): TICK.epoch + 4.5}
    assert about(found, "last_start_timestamp_seconds") == {("job0",): TICK.epoch + 1.0}
    assert about(found, "last_duration_seconds") == {("job0",): 3.5}
    assert about(found, "last_exit_status") == {("job0",): 0}
    assert found["cronguard_last_outcome", "job0", "billing", "web2", "done"] == 1
    assert found["cronguard_running", "job0", "billing", "web2"] == 0


def test_a_job_that_is_running_has_the_outcome_of_the_run_before():
    found = of(record(history=({**DONE, "started": 10.0, "ended": 17.0},)))
    assert found["cronguard_running", "job0", "billing", "web2"] == 1
    assert found["cronguard_last_outcome", "job0", "billing", "web3", "done"] == 1
    assert about(found, "last_duration_seconds") == {("job0",): 7.0}
    assert about(found, "last_start_timestamp_seconds") == {("job0",): TICK.epoch + 1.0}


def test_a_job_that_never_succeeded_has_0_and_one_that_never_ended_has_no_outcome():
    found = of(record())
    assert about(found, "last_success_timestamp_seconds") == {("job0",): 0.0}
    assert not about(found, "last_duration_seconds") and not about(found, "last_exit_status")
    assert not [key for key in found if key[0] == "cronguard_last_outcome"]


def test_a_crashed_run_has_neither_end_nor_status():
    found = of(
        record(history=({**DONE, "state": "crashed", "status": None, "started": 10.0, "ended": None},))
    )
    assert found["cronguard_last_outcome", "job0", "billing", "web3", "crashed"] == 1
    assert not about(found, "last_end_timestamp_seconds")


def test_fifty_failures_do_not_hide_the_last_success():
    last = record().settled("done", 0, 500.0, 1.0)
    for number in range(60):
        last = record(history=last.closed_history(), succeeded=last.succeeded)
        last = last.settled("failed", 1, 600.0 + number, 1.0)
    assert "done" not in {outcome["state"] for outcome in last.history}
    assert about(of(last), "last_success_timestamp_seconds") == {("job0",): 500.0}


def test_a_success_that_an_older_cronguard_wrote_into_the_history_counts():
    history = ({**DONE, "started": 1.0, "ended": 900.0},)
    assert about(of(record(history=history)), "last_success_timestamp_seconds") == {("job0",): 900.0}
    later = record(history=history, succeeded=950.0)
    assert about(of(later), "last_success_timestamp_seconds") == {("job0",): 950.0}


def test_an_unreadable_record_is_counted_and_does_not_hide_the_others():
    found = of(b"{", ended(), b'{"format": 99}')
    assert found["cronguard_unreadable_records",] == 2
    assert [key[1] for key in found if key[0] == "cronguard_running"] == ["job1"]


def test_a_forgotten_job_has_no_metrics():
    assert not about(of(b""), "last_start_timestamp_seconds")


def test_without_the_backend_the_counters_remain():
    found = parsed(None, {Event("skip", "b", "j", "held", "app"): 7})
    assert found["cronguard_backend_up",] == 0
    assert found["cronguard_skips_total", "j", "b", "held", "app"] == 7
    assert "cronguard_unreadable_records" not in {key[0] for key in found}


def test_runs_and_lease_losses_are_counted_separately_and_losses_start_at_0():
    counts = {
        Event("run", "b", "j", "done", "app"): 5,
        Event("run", "b", "j", "lost", "app"): 2,
        Event("skip", "b", "k", "held", "app"): 1,
    }
    found = parsed([], counts)
    assert found["cronguard_runs_total", "j", "b", "done", "app"] == 5
    assert found["cronguard_lease_losses_total", "j", "b", "app"] == 2
    assert found["cronguard_lease_losses_total", "k", "b", "app"] == 0


@given(st.lists(st.tuples(st.text(), st.floats(allow_nan=False)), max_size=4), st.text())
def test_the_parser_reads_back_any_label_and_meaning(values, meaning):
    samples = {(("a", text), ("b", "x")): value for text, value in values}
    text = expose([Family("cronguard_x", "gauge", meaning, samples)])
    found = list(text_string_to_metric_families(text))
    read = {(("a", one.labels["a"]), ("b", one.labels["b"])): one.value for f in found for one in f.samples}
    assert read == samples


@pytest.mark.parametrize(
    "name", sorted({family.name for family in families([], {Event("run", "b", "j", "lost", "a"): 1})})
)
def test_the_names_of_counters_and_only_those_end_in_total(name):
    kinds = {family.name: family.kind for family in families([], {})}
    assert name.endswith("_total") == (kinds[name] == "counter")
