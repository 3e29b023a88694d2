"""A listing from an NFS client's cache stays old until the client itself makes or renames something in the directory."""

import os

import pytest
from faulty_port import versions
from stores import KEY, publish

from cronguard.store.contract import Entry, latest
from cronguard.store.files.versioned import KEPT


@pytest.fixture
def cached(port):
    """Make the port's listings stay as they are until this node changes the listed directory."""
    kept = {}

    def shown(path, names):
        return kept.setdefault(path, names)

    def made(path):
        kept.pop(os.path.dirname(path), None)

    port.shown, port.after_make, port.after_rename = shown, made, lambda old, new: made(new)
    return kept


def test_after_wait_a_read_shows_what_others_had_published(versioned, other, cached):
    publish(versioned, b"one")
    seen = versioned.read(KEY)
    publish(other, b"two")
    assert versioned.read(KEY).data == b"one", "the cache of this test does not work"
    versioned.wait(seen, 0.0)
    assert versioned.read(KEY).data == b"two"


def test_a_reader_who_has_found_nothing_sees_what_others_published_since(versioned, other, cached):
    assert versioned.read(KEY).version == 0
    publish(other, b"one")
    assert latest(versioned, KEY).data == b"one"


def test_a_listed_version_that_is_gone_is_looked_up_in_a_fresh_listing(versioned, other, folder, cached):
    publish(versioned, b"old")
    assert versioned.read(KEY).data == b"old"
    publish(other, b"new", times=KEPT + 1)
    assert 1 not in versions(folder)
    assert versioned.read(KEY).data == b"new"


def test_a_swap_compares_with_a_fresh_listing(versioned, other, cached):
    seen = publish(versioned, b"one")
    versioned.read(KEY)
    publish(other, b"two")
    assert versioned.swap(seen, b"late") is None
    assert versioned.swap(Entry(KEY, 0, b""), b"late") is None
