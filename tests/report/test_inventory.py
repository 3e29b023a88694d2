import pytest
from fakes import TICK, ended, record

from cronguard.model.job import Job
from cronguard.model.record import encode
from cronguard.report.inventory import leases
from cronguard.system.errors import UsageError

KEYS = {
    "job", "state", "node", "pid", "user", "program", "token", "attempt", "ttl", "started", "ended", "status", "tick",
    "version", "age", "until",
}  # fmt: skip


def put(store, job, data):
    key = Job.parse(job).key
    store.inner.swap(store.inner.read(key), data)


def test_a_held_lease_is_shown_with_all_keys(store, clock):
    put(store, "billing/invoices", encode(record()))
    clock.advance(5)
    [row] = leases(store, None, clock.wall())
    assert set(row) == KEYS
    assert (row["node"], row["tick"], row["age"], row["until"]) == (
        "web2",
        TICK.label,
        5.0,
        clock.wall() + 25,
    )


def test_a_lease_that_is_not_held_has_no_end(store, clock):
    put(store, "billing/invoices", encode(ended("failed", status=3)))
    [row] = leases(store, None, clock.wall())
    assert set(row) == KEYS
    assert (row["until"], row["state"], row["status"]) == (None, "failed", 3)


def test_the_jobs_come_in_the_order_of_their_names(store):
    for job in ("b/x", "a/y", "a/x"):
        put(store, job, encode(record(job=job)))
    assert [row["job"] for row in leases(store, None, 0.0)] == ["a/x", "a/y", "b/x"]


def test_a_namespace_shows_its_own_jobs_only(store):
    for job in ("a/x", "ab/x"):
        put(store, job, encode(record(job=job)))
    assert [row["job"] for row in leases(store, "a", 0.0)] == ["a/x"]


def test_an_impossible_namespace_is_a_usage_error(store):
    with pytest.raises(UsageError, match=r"^--ns: "):
        leases(store, "../a", 0.0)


def test_a_forgotten_job_is_left_out(store):
    put(store, "a/x", encode(record()))
    put(store, "a/x", b"")
    assert leases(store, None, 0.0) == []


def test_a_lease_that_cannot_be_read_does_not_hide_the_others(store):
    put(store, "a/x", b"\0")
    put(store, "a/y", encode(record(job="a/y")))
    broken, whole = leases(store, None, 0.0)
    assert (broken["job"], broken["state"], broken["version"]) == ("a/x", "unreadable", 1)
    assert "a/x" in broken["problem"] and whole["job"] == "a/y"
