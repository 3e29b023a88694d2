import pytest
from fakes import ended

from cronguard.admin.drain import pause, resume
from cronguard.heartbeat.heartbeat import publish
from cronguard.model import beat as beats
from cronguard.model.beat import Beat, Opinion, beat_key
from cronguard.model.pause import Pause
from cronguard.store.contract import MAX_DATA
from cronguard.system.errors import StoreRefusedError, UsageError

UNTIL_RESUMED = Pause(1000.0, None, "reboot", "root@web1")
KNOWN = ("web1", "web2")


def entry(store, node="web2"):
    return beats.decode(store.inner.read(beat_key(node)).data, node)


def test_a_node_is_paused_and_resumed(store):
    pause(store, "web2", UNTIL_RESUMED, KNOWN)
    assert entry(store).pause == UNTIL_RESUMED
    assert resume(store, "web2", KNOWN) == "web2 is resumed"
    assert entry(store).pause is None
    assert resume(store, "web2", KNOWN) == "web2 is not paused"


def test_a_pause_may_expire(store):
    pause(store, "web2", UNTIL_RESUMED._replace(until=1300.0), KNOWN)
    assert not entry(store).pause.holds(1300.0)
    assert entry(store).pause.holds(1299.0)


def test_a_misspelt_node_is_refused_and_the_known_nodes_are_listed(store):
    with pytest.raises(UsageError, match="unknown node wbe2; known nodes: web1, web2"):
        pause(store, "wbe2", UNTIL_RESUMED, KNOWN)
    with pytest.raises(UsageError, match="unknown node wbe2; known nodes: web1, web2"):
        resume(store, "wbe2", KNOWN)


def test_an_unknown_node_is_paused_with_force(store):
    pause(store, "web9", UNTIL_RESUMED, KNOWN, force=True)
    assert entry(store, "web9").pause == UNTIL_RESUMED


def test_a_pause_that_a_stale_listing_does_not_show_is_removed(store):
    before = store.inner.read(beat_key("web2"))
    pause(store, "web2", UNTIL_RESUMED, KNOWN)
    store.listing, store.is_fresh = before, False
    assert resume(store, "web2", KNOWN) == "web2 is resumed"


def test_a_node_that_has_run_something_is_known(store):
    store.publish(ended(node="web7"))
    pause(store, "web7", UNTIL_RESUMED, KNOWN)


def test_a_heartbeat_keeps_the_pause_and_unknown_fields(store):
    store.inner.swap(store.inner.read(beat_key("web2")), beats.encode(
        Beat("web2", pause=UNTIL_RESUMED, sequence=4, unknown=(("zzz", 1),))
    ))  # fmt: skip
    publish(store, Beat("web2", beat=1, boot="b"), "me")
    now = entry(store)
    assert (now.pause, now.unknown, now.sequence, now.by, now.beat) == (
        UNTIL_RESUMED,
        (("zzz", 1),),
        5,
        "me",
        1,
    )


def test_an_entry_of_a_newer_cronguard_is_left_alone(store):
    store.inner.swap(store.inner.read(beat_key("web2")), b'{"format":9,"writer":"cronguard 9.0"}')
    for act in (
        lambda: publish(store, Beat("web2"), "me"),
        lambda: pause(store, "web2", UNTIL_RESUMED, KNOWN),
    ):
        with pytest.raises(StoreRefusedError, match=r"cronguard 9\.0"):
            act()


def test_the_verdicts_of_hundreds_of_nodes_fit_into_an_entry(store):
    opinions = {f"{n:0100}": Opinion("up", 0.0, {"a" * 50: "up", "b" * 50: "down"}) for n in range(250)}
    publish(store, Beat("web2", details={"x": "y" * 1000}, opinions=opinions), "me")
    assert len(store.inner.read(beat_key("web2")).data) <= MAX_DATA
    assert len(entry(store).opinions) == 250


@pytest.mark.parametrize("beat", [
    Beat("web1"),
    Beat("web1", 7, "m", "b/x", 1.5, 2.5, 5.0, 0.5, False, {"app": "down"}, {"app": "refused"},
         {"web2": Opinion("up", 1.0, {"beat": "up"}, 3.0)}, UNTIL_RESUMED, "me", 3, (("zzz", None),)),
])  # fmt: skip
def test_an_entry_is_read_back_as_it_was_written(beat):
    assert beats.decode(beats.encode(beat), "here") == beat
