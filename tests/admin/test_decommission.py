import pytest
from fakes import EARLIER, JOB, TAKEOVER, ended, record

from cronguard.admin.decommission import forget
from cronguard.admin.override import HeldError, unlock
from cronguard.model import beat as beats
from cronguard.model import rotation
from cronguard.model.beat import Beat, beat_key
from cronguard.model.rotation import Place, Rotation, queue_key
from cronguard.system.errors import UsageError

WALL = 10_000.0


def put(store, key, data):
    assert store.inner.swap(store.inner.read(key), data)


def beat(store, node="web9", ago=3600.0):
    put(store, beat_key(node), beats.encode(Beat(node, 7, wall=WALL - ago, sequence=1)))


def gone(store, **how):
    return forget(store, "web9", how.pop("known", ()), WALL, **{"force": False, **how})


def test_a_dead_node_is_forgotten_and_leaves_the_queues(store):
    beat(store)
    put(store, queue_key(JOB), rotation.encode(Rotation((Place("web9"), Place("web1", 1)), 7, sequence=3)))
    assert gone(store) == "web9 is forgotten"
    assert store.inner.read(beat_key("web9")).data == b""
    queue = rotation.decode(store.inner.read(queue_key(JOB)).data, "here")
    assert (queue.places, queue.token, queue.sequence) == ((Place("web1", 1),), 7, 4)


def test_a_node_that_beats_is_not_forgotten(store):
    beat(store, ago=100.0)
    with pytest.raises(HeldError, match="web9 is alive: its last heartbeat was 100s ago"):
        gone(store)
    assert store.inner.read(beat_key("web9")).data


def test_a_node_that_runs_something_is_not_forgotten(store):
    beat(store)
    store.publish(record(node="web9"))
    with pytest.raises(HeldError, match=rf"web9 is running {JOB} on web9 \(pid 22\)"):
        gone(store)


def test_the_job_of_a_dead_node_is_freed_as_the_hint_says(store, clock):
    beat(store)
    store.publish(record(node="web9"))
    unlock(store, JOB, clock, force=False)  # a dead node never answers
    with pytest.raises(HeldError) as caught:
        gone(store)
    assert caught.value.hint.endswith("or run: cronguard unlock --force NS/JOB")
    unlock(store, JOB, clock, force=True)
    assert gone(store) == "web9 is forgotten"


@pytest.mark.parametrize("ago", [1.0, 3600.0])
def test_force_forgets_even_a_node_that_is_alive(store, ago):
    beat(store, ago=ago)
    store.publish(record(node="web9"))
    assert gone(store, force=True) == "web9 is forgotten"
    assert store.record().node == "web9"  # its lease is left alone


def test_a_misspelt_node_is_refused(store):
    beat(store, "web8")
    with pytest.raises(UsageError, match="unknown node web9; known nodes: web8"):
        gone(store)


def test_a_node_that_the_configuration_still_names_is_reported(store):
    assert "the configuration still names it" in gone(store, known=("web1", "web9"))


def test_a_forgotten_node_is_known_only_if_it_has_runs(store):
    beat(store)
    gone(store)
    with pytest.raises(UsageError, match="unknown node"):
        gone(store)
    store.publish(ended(node="web9", tick=EARLIER))
    gone(store)


def test_a_heartbeat_in_the_meantime_is_forgotten_too(store):
    beat(store)
    beats_on = iter([1])
    store.during_swap = lambda: [beat(store, ago=TAKEOVER) for _ in beats_on]
    gone(store, force=True)
    assert store.inner.read(beat_key("web9")).data == b""


def test_a_queue_that_cannot_be_read_is_left_alone(store):
    beat(store)
    put(store, queue_key(JOB), b"{")
    assert gone(store) == "web9 is forgotten"
    assert store.inner.read(queue_key(JOB)).data == b"{"
