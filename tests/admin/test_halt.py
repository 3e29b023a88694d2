import pytest
from fakes import JOB, ended, record

from cronguard.admin.active import running
from cronguard.admin.halt import pause, resume
from cronguard.model.pause import Pause
from cronguard.model.pauses import decode, pauses_key
from cronguard.model.record import encode as encode_lease
from cronguard.model.target import JOB as A_JOB
from cronguard.model.target import NAMESPACE, NODE, Target
from cronguard.report.inventory import paused
from cronguard.store.contract import MAX_DATA, Entry
from cronguard.system.errors import StoreRefusedError, UsageError

INVOICES = Target(A_JOB, str(JOB))
BILLING = Target(NAMESPACE, "billing")
FOREVER = Pause(1000.0, None, "books", "root@web1")


@pytest.fixture
def store(store):
    store.publish(ended())
    return store


def entry(store, ns="billing"):
    return decode(store.inner.read(pauses_key(ns)).data, ns)


def test_a_job_and_its_namespace_are_paused_and_resumed(store):
    pause(store, INVOICES, FOREVER, force=False)
    pause(store, BILLING, FOREVER, force=False)
    assert (entry(store).whole, entry(store).jobs) == (FOREVER, {"invoices": FOREVER})
    told = resume(store, INVOICES, 1001.0)
    assert told == f"{JOB} is resumed; still paused: namespace billing (cronguard resume --ns billing)"
    assert resume(store, BILLING, 1001.0) == "namespace billing is resumed"
    assert (entry(store).whole, entry(store).jobs) == (None, {})


def test_resuming_the_wrong_one_of_two_pauses_names_the_other(store):
    pause(store, INVOICES, FOREVER, force=False)
    told = resume(store, BILLING, 1001.0)
    assert told == f"namespace billing is not paused; still paused: {JOB} (cronguard resume {JOB})"
    assert resume(store, INVOICES, 1001.0) == f"{JOB} is resumed"
    assert resume(store, INVOICES, 1001.0) == f"{JOB} is not paused"


@pytest.mark.parametrize("target", [Target(A_JOB, "billing/invocies"), Target(A_JOB, "biling/invoices")])
def test_a_misspelt_job_is_refused_and_similar_names_are_listed(store, target):
    with pytest.raises(UsageError, match="is unknown; similar names: billing/invoices") as refused:
        pause(store, target, FOREVER, force=False)
    assert "--force" in refused.value.hint
    assert entry(store) is None
    with pytest.raises(UsageError, match="is unknown; similar names: billing/invoices"):
        resume(store, target, 1001.0)


def test_a_misspelt_namespace_is_refused(store):
    with pytest.raises(UsageError, match="namespace biling is unknown; similar names: billing"):
        pause(store, Target(NAMESPACE, "biling"), FOREVER, force=False)


def test_a_job_that_has_never_run_is_paused_with_force_and_resumed_without(store):
    first = Target(A_JOB, "billing/first")
    pause(store, first, FOREVER, force=True)
    assert resume(store, first, 1001.0) == "billing/first is resumed"


def test_a_job_that_a_stale_listing_does_not_show_is_known(store):
    store.scan = lambda prefix: iter(())
    store.listing, store.is_fresh = Entry(JOB.key, 0, b""), False
    pause(store, INVOICES, FOREVER, force=False)


def test_a_pause_that_a_stale_listing_does_not_show_is_removed(store):
    before = store.inner.read(pauses_key("billing"))
    pause(store, INVOICES, FOREVER, force=False)
    store.listing, store.is_fresh = before, False
    assert resume(store, INVOICES, 1001.0) == f"{JOB} is resumed"


def test_more_jobs_than_an_entry_holds_are_a_clear_error_and_change_nothing(store):
    wordy, long_names = FOREVER._replace(reason="\u20ac" * 200), (f"{number:0100}" for number in range(1000))

    def pause_all():
        for name in long_names:
            pause(store, Target(A_JOB, f"billing/{name}"), wordy, force=True)

    with pytest.raises(UsageError, match="jobs of its namespace are paused, and there is no room") as refused:
        pause_all()
    assert "cronguard pause --ns billing" in refused.value.hint
    assert len(store.inner.read(pauses_key("billing")).data) <= MAX_DATA
    assert len(entry(store).jobs) == int(next(long_names)) - 1


def test_an_entry_of_a_newer_cronguard_is_left_alone(store):
    store.inner.swap(store.inner.read(pauses_key("billing")), b'{"format":9,"writer":"cronguard 9.0"}')
    for act in (lambda: pause(store, INVOICES, FOREVER, force=False), lambda: resume(store, INVOICES, 1.0)):
        with pytest.raises(StoreRefusedError, match=r"cronguard 9\.0"):
            act()


# reports


def test_a_pause_is_reported_with_these_keys(store):
    pause(store, INVOICES, FOREVER, force=False)
    pause(store, Target(NAMESPACE, "other"), FOREVER._replace(until=2000.0), force=True)
    more = {"since": 1000.0, "reason": "books", "by": "root@web1"}
    job = {"kind": "job", "name": str(JOB), "until": None, **more}
    namespace = {"kind": "namespace", "name": "other", "until": 2000.0, **more}
    assert paused(store, None, 1001.0) == [job, namespace]
    assert paused(store, None, 2000.0) == [job]
    assert paused(store, "billing", 1001.0) == [job]


def test_unreadable_pauses_are_reported(store):
    store.inner.swap(store.inner.read(pauses_key("billing")), b"{")
    [row] = paused(store, None, 1001.0)
    assert (row["kind"], row["name"]) == ("namespace", "billing")
    assert "the pauses of namespace billing" in row["problem"]


@pytest.mark.parametrize(("target", "is_its"), [
    (INVOICES, True), (BILLING, True), (Target(NODE, "web2"), True),
    (Target(A_JOB, "billing/other"), False), (Target(NAMESPACE, "bill"), False), (Target(NODE, "web1"), False),
])  # fmt: skip
def test_only_runs_of_the_target_are_reported_as_running(store, target, is_its):
    store.publish(record())
    assert running(store, target) == ([f"{JOB} on web2 (pid 22)"] if is_its else [])


def test_a_run_that_a_stale_listing_does_not_show_is_found(store):
    before = store.inner.read(JOB.key)
    store.publish(record())
    store.scan = lambda prefix: iter([before])
    store.listing, store.is_fresh = before, False
    assert running(store, BILLING) == [f"{JOB} on web2 (pid 22)"]


def test_a_damaged_lease_does_not_count_as_running(store):
    store.inner.swap(store.inner.read(JOB.key), encode_lease(record())[:-9])
    assert running(store, BILLING) == []
