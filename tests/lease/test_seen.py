import os

import pytest

from cronguard.lease.seen import Sightings
from cronguard.system.statedir import StateDir

KEY = "lease/billing/invoices"


@pytest.fixture
def node(state, clock):
    """Make the sightings of a new process of this node; `node(boot=...)` after a reboot."""

    def make(url="dir:/a", boot="boot-1", where=state):
        return Sightings(where, url, boot, clock)

    return make


def test_at_first_sight_nothing_is_known_about_the_past(node):
    assert node().unchanged(KEY, 3, "run:1") == 0.0


def test_the_time_counts_from_the_first_sight(node, clock):
    sightings = node()
    sightings.unchanged(KEY, 3, "run:1")
    clock.advance(7)
    assert sightings.unchanged(KEY, 3, "run:1") == 7
    clock.advance(5)
    assert sightings.unchanged(KEY, 3, "run:1") == 12


def test_a_new_process_of_the_node_continues_watching(node, clock):
    node().unchanged(KEY, 3, "run:1")
    clock.advance(60)
    assert node().unchanged(KEY, 3, "run:1") == 60


@pytest.mark.parametrize("change", ["boot", "namespace", "url", "version", "identity", "key"])
def test_watching_starts_again_when_anything_differs(node, clock, change):
    node().unchanged(KEY, 3, "run:1")
    clock.advance(60)
    sightings = node(
        url="dir:/b" if change == "url" else "dir:/a",
        boot={"boot": "boot-2", "namespace": "boot-1/time:[7]"}.get(change, "boot-1"),
    )
    key = f"{KEY}-2" if change == "key" else KEY
    version = 4 if change == "version" else 3
    identity = "run:2" if change == "identity" else "run:1"
    assert sightings.unchanged(key, version, identity) == 0.0
    clock.advance(2)
    assert sightings.unchanged(key, version, identity) == 2.0


def test_watching_starts_again_within_one_process_too(node, clock):
    sightings = node()
    sightings.unchanged(KEY, 3, "run:1")
    clock.advance(60)
    assert sightings.unchanged(KEY, 4, "run:2") == 0.0


def test_two_stores_with_the_same_file_name_are_not_mixed_up(node, clock, state):
    node().unchanged(KEY, 3, "run:1")
    state.store("seen", f"dir:/b {KEY}", state.load("seen", f"dir:/a {KEY}"))
    clock.advance(60)
    assert node(url="dir:/b").unchanged(KEY, 3, "run:1") == 0.0


def test_a_version_seen_again_after_another_is_new(node, clock):
    sightings = node()
    for version in (3, 4, 3):
        clock.advance(60)
        since = sightings.unchanged(KEY, version, f"run:{version}")
    assert since == 0.0


def test_a_stale_read_does_not_stop_the_watching_of_a_newer_version(node, clock):
    node().unchanged(KEY, 4, "run:4")
    clock.advance(60)
    sightings = node()
    assert sightings.unchanged(KEY, 3, "run:3", is_fresh=False) == 0.0
    assert sightings.unchanged(KEY, 4, "run:4") == 60.0


def test_a_store_that_went_back_is_watched_again_after_a_fresh_read(node, clock):
    node().unchanged(KEY, 4, "run:4")
    for since in (0.0, 60.0):
        assert node().unchanged(KEY, 3, "run:3") == since
        clock.advance(60)


def test_a_version_counts_from_when_another_process_of_the_node_first_saw_it(node, clock):
    mine, another = node(), node()
    mine.unchanged(KEY, 3, "run:3")
    another.unchanged(KEY, 4, "run:4")
    clock.advance(60)
    assert mine.unchanged(KEY, 4, "run:4") == 60.0


def test_watching_a_newer_version_may_start_with_a_read_that_is_not_fresh(node, clock):
    node().unchanged(KEY, 3, "run:3")
    assert node().unchanged(KEY, 4, "run:4", is_fresh=False) == 0.0
    clock.advance(60)
    assert node().unchanged(KEY, 4, "run:4") == 60.0


def test_watching_starts_again_when_the_clock_goes_back(node, clock):
    node().unchanged(KEY, 3, "run:1")
    clock.advance(-500)
    assert node().unchanged(KEY, 3, "run:1") == 0.0
    clock.advance(1)
    assert node().unchanged(KEY, 3, "run:1") == 1.0


def test_the_wall_clock_does_not_matter(node, clock):
    node().unchanged(KEY, 3, "run:1")
    clock.now_wall += 86400
    assert node().unchanged(KEY, 3, "run:1") == 0.0


@pytest.mark.parametrize("content", [
    b"", b"\0\0\0", b"{", b"[]", b"7", b"null", b"{}", b"\xff", b'{"boot":"boot-1","about":"dir:/a lease/billing/invoices"}',
    b'{"boot":"boot-1","about":"dir:/a lease/billing/invoices","what":"3:run:1","first":"long ago"}',
    b'{"boot":"boot-1","about":"dir:/a lease/billing/invoices","what":"3:run:1","first":null}',
    b'{"boot":"boot-1","about":"dir:/a lease/billing/invoices","what":"3:run:1","first":NaN}',
    b'{"boot":"boot-1","about":"dir:/a lease/billing/invoices","what":"3:run:1","first":-Infinity}',
])  # fmt: skip
def test_watching_starts_again_after_a_corrupt_file(node, clock, state, content):
    node().unchanged(KEY, 3, "run:1")
    clock.advance(60)
    [path] = [os.path.join(folder, file) for folder, _, files in os.walk(state.root) for file in files]
    with open(path, "wb") as file:
        file.write(content)
    assert node().unchanged(KEY, 3, "run:1") == 0.0
    clock.advance(4)
    assert node().unchanged(KEY, 3, "run:1") == 4.0


def test_another_node_with_the_same_home_has_seen_nothing(node, clock, state):
    node().unchanged(KEY, 3, "run:1")
    clock.advance(60)
    other = StateDir(state.root, "web2")
    assert node(where=other).unchanged(KEY, 3, "run:1") == 0.0


def test_a_node_that_cannot_store_anything_watches_within_one_process(node, clock):
    sightings = node(where=StateDir("/dev/null/none", "web1"))
    sightings.unchanged(KEY, 3, "run:1")
    clock.advance(9)
    assert sightings.unchanged(KEY, 3, "run:1") == 9
