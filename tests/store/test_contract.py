"""Each statement of the backend contract, tested on every backend."""

import os
import threading

import pytest
from stores import COUNTED, KEY, make_store, publish

from cronguard.store.contract import MAX_DATA, Entry
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, StoreForbiddenError


@pytest.fixture
def backend(store):
    return store.open()


@pytest.fixture(params=COUNTED)
def counted(request, place, monkeypatch):
    return make_store(request.param, place, monkeypatch).open()


def test_a_key_never_written_is_version_0_without_data(backend):
    assert backend.read(KEY) == Entry(KEY, 0, b"", None)


def test_a_swap_returns_the_entry_that_is_read_from_then_on(backend):
    entry = publish(backend, b"one")
    assert entry.version > 0
    assert backend.read(KEY)[:3] == (KEY, entry.version, b"one") == entry[:3]


def test_each_swap_publishes_a_higher_version(backend):
    versions = [publish(backend, b"%d" % n).version for n in range(1, 40)]
    assert versions == sorted(set(versions))
    assert backend.read(KEY)[:3] == (KEY, versions[-1], b"39")


def test_counted_versions_start_at_1(counted):
    assert [publish(counted, b"%d" % n).version for n in range(1, 40)] == list(range(1, 40))


def test_a_swap_of_a_stale_entry_is_none_and_changes_nothing(backend):
    stale = publish(backend, b"one")
    latest = publish(backend, b"two")
    assert backend.swap(stale, b"other") is None
    assert backend.swap(Entry(KEY, 0, b""), b"other") is None
    assert backend.read(KEY)[:3] == latest[:3]


def test_a_swap_of_an_entry_that_the_store_has_lost_is_none(backend):
    entry = publish(backend, b"one")
    assert backend.swap(entry._replace(version=entry.version + 8), b"other") is None
    assert backend.read(KEY)[:3] == entry[:3]


def test_a_swapped_entry_can_be_swapped_without_reading_it_again(backend):
    first = publish(backend, b"one")
    second = backend.swap(first, b"two")
    assert backend.swap(second, b"three")[:3] == backend.read(KEY)[:3]


def test_after_a_lost_swap_the_winner_can_swap_again(backend):
    mine = publish(backend, b"one")
    assert backend.swap(Entry(KEY, 0, b""), b"other") is None
    assert backend.swap(mine, b"two")[:3] == backend.read(KEY)[:3]


def test_two_nodes_see_each_others_entries(store):
    a, b = store.open("web1"), store.open("web2")
    seen = publish(a, b"from a")
    assert b.read(KEY)[:3] == seen[:3]
    assert b.swap(b.read(KEY), b"from b")
    assert a.read(KEY).data == b"from b"
    assert a.swap(seen, b"late") is None


@pytest.mark.parametrize("size", [0, 1, 4064, 4096, MAX_DATA - 1, MAX_DATA])
def test_data_is_read_back_complete(backend, size):
    data = os.urandom(size)
    publish(backend, data)
    assert backend.read(KEY).data == data
    publish(backend, b"short")
    publish(backend, b"shorter")
    assert backend.read(KEY).data == b"shorter"


def test_too_much_data_is_a_bug_in_the_caller(backend):
    with pytest.raises(AssertionError):
        publish(backend, bytes(MAX_DATA + 1))
    assert backend.read(KEY).version == 0


@pytest.mark.parametrize(
    "key", ["lease/../x", "lease/a", "lease/a/b/c", "lease/a/", "/etc/passwd", "lease/a/b\n"]
)
def test_a_malformed_key_is_a_bug_in_the_caller(backend, key):
    with pytest.raises(AssertionError):
        backend.read(key)


def test_a_forgotten_entry_is_empty_and_its_version_keeps_growing(backend):
    first = publish(backend, b"one")
    forgotten = publish(backend, b"")
    assert backend.read(KEY)[1:3] == (forgotten.version, b"")
    assert first.version < forgotten.version < publish(backend, b"again").version


def test_keys_are_independent_of_each_other(backend):
    keys = [
        "lease/a/b",
        "lease/a/b.c",
        "lease/a/b.lock",
        "lease/a.b/c",
        "lease/a-b/c_d",
        "queue/a/b",
        f"lease/{'n' * 100}/b",
    ]
    for key in keys:
        publish(backend, key.encode(), key)
    assert [backend.read(key).data for key in keys] == [key.encode() for key in keys]
    assert [e.key for e in backend.scan("lease/a/")] == ["lease/a/b", "lease/a/b.c", "lease/a/b.lock"]


def test_scan_yields_the_latest_of_each_entry_below_a_prefix(backend):
    for key in ("lease/ab/x", "lease/abc/y", "queue/ab/z"):
        publish(backend, b"old", key)
        publish(backend, b"new", key)
    assert [e[:3] for e in backend.scan("lease/ab/")] == [backend.read("lease/ab/x")[:3]]
    assert [e.key for e in backend.scan("lease/")] == ["lease/ab/x", "lease/abc/y"]
    assert [e.key for e in backend.scan("queue/ab/z")] == ["queue/ab/z"]


def test_scan_of_nothing_is_empty(backend):
    assert list(backend.scan("lease/")) == []
    assert list(backend.scan("lease/billing/")) == []


def test_scan_leaves_out_keys_that_were_only_read(backend):
    backend.read(KEY)
    backend.wait(backend.read(KEY), 0.0)
    assert list(backend.scan("lease/")) == []


def test_scan_yields_forgotten_entries(backend):
    publish(backend, b"one")
    forgotten = publish(backend, b"")
    assert [e[:3] for e in backend.scan("lease/billing/")] == [forgotten[:3]]


def test_wait_returns_when_time_is_up(backend):
    entry = publish(backend, b"one")
    backend.wait(entry, 0.01)
    assert backend.read(KEY).version == entry.version


def test_wait_returns_at_once_for_an_entry_already_replaced(backend):
    old = publish(backend, b"one")
    publish(backend, b"two")
    backend.wait(old, 3600.0)
    assert backend.read(KEY).data == b"two"


def test_wait_returns_when_the_entry_changes(store):
    here, there = store.open("web1"), store.open("web2")
    entry = publish(here, b"one")
    store.during_wait(lambda: publish(there, b"two"))
    here.wait(entry, 3600.0)
    assert here.read(KEY).data == b"two"


def test_wait_returns_when_a_key_never_written_is_written(store):
    here, there = store.open("web1"), store.open("web2")
    store.during_wait(lambda: publish(there, b"one"))
    here.wait(Entry(KEY, 0, b""), 3600.0)
    assert here.read(KEY).data == b"one"


def test_only_one_of_many_swaps_of_the_same_entry_succeeds(store):
    store.clock = Clock()
    entry = publish(store.open(), b"start")
    start, won = threading.Barrier(8), []

    def contend(number):
        backend = store.open(f"web{number}")
        start.wait()
        if backend.swap(entry, b"%d" % number):
            won.append(b"%d" % number)

    threads = [threading.Thread(target=contend, args=(n,)) for n in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    latest = store.open().read(KEY)
    assert len(won) == 1
    assert (latest.version > entry.version, latest.data) == (True, won[0])


def test_age_is_small_after_a_publication_or_unknown(backend):
    publish(backend, b"one")
    age = backend.read(KEY).age
    assert age is None or 0.0 <= age < 3600.0


def test_now_is_a_time_of_day_or_unknown(backend):
    now = backend.now()
    assert now is None or now > 1_700_000_000


def test_entries_outlive_the_backend_that_wrote_them(store):
    backend = store.open("web1")
    publish(backend, b"one")
    backend.close()
    assert store.open("web2").read(KEY).data == b"one"


def test_an_error_of_the_store_names_the_place_and_the_remedy(shared):
    backend = shared.open()
    publish(backend, b"one")
    os.rename(shared.root, f"{shared.root}-unmounted")
    with pytest.raises(BackendError) as caught:
        publish(backend, b"two")
    assert shared.root in str(caught.value)
    assert caught.value.hint
    assert not isinstance(caught.value, StoreForbiddenError)
