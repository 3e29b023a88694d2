"""What `dir:` does when others are faster, when a reply is lost, and when a read is stale."""

import errno
import os
import shutil

import pytest
from faulty_port import fail, is_version, leavings, versions
from stores import KEY, publish

from cronguard.store.contract import Entry
from cronguard.store.files.versioned import KEPT
from cronguard.system.errors import BackendError, StoreRefusedError


@pytest.mark.parametrize("code", [errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT, errno.EIO])
def test_a_lost_reply_to_the_rename_is_recognised(versioned, port, code):
    port.after_rename = lambda old, new: fail(code) if is_version(new) else None
    assert versioned.swap(Entry(KEY, 0, b""), b"mine")[1:3] == (1, b"mine")
    assert versioned.read(KEY).data == b"mine"


def test_a_rename_that_failed_without_publishing_is_an_error(versioned, port, folder):
    publish(versioned)
    port.before_rename = lambda old, new: fail(errno.EIO) if is_version(new) else None
    with pytest.raises(BackendError):
        publish(versioned, b"mine")
    assert versions(folder) == [1]
    assert leavings(folder) == []


@pytest.mark.parametrize("code", [errno.ENOTEMPTY, errno.EPERM], ids=["NFS", "SFTP"])
@pytest.mark.parametrize("later", [1, 2, 5])
def test_the_loser_of_a_race_gets_none_and_leaves_nothing(versioned, other, port, folder, later, code):
    """Others publish after this node has listed the versions and before it renames."""
    entry = publish(versioned)

    def race(old, new):
        port.before_rename = lambda old, new: None
        publish(other, b"theirs", times=later)
        fail(code)

    port.before_rename = race
    assert versioned.swap(entry, b"mine") is None
    assert versioned.read(KEY)[1:3] == (1 + later, b"theirs")
    assert leavings(folder) == []


def test_a_loser_by_more_versions_than_are_kept_gets_none(versioned, other, port, folder):
    """The version that beat it is already removed, so its rename succeeds, but it is not the latest."""
    entry = publish(versioned)

    def race(old, new):
        port.before_rename = lambda old, new: None
        publish(other, b"theirs", times=KEPT + 3)

    port.before_rename = race
    assert versioned.swap(entry, b"mine") is None
    assert versions(folder) == list(range(5, KEPT + 5))
    assert leavings(folder) == []


def test_an_old_entry_cannot_publish_into_the_place_of_a_removed_version(versioned, other, port, folder):
    """Even if the listing is as old as the entry: the published version is removed again."""
    entry = publish(versioned)
    publish(other, b"theirs", times=KEPT + 3)
    looks = iter([["0" * 19 + "1"]])
    port.shown = lambda path, names: next(looks, names) if path == folder else names
    assert versioned.swap(entry, b"mine") is None
    assert versions(folder) == list(range(5, KEPT + 5))
    assert leavings(folder) == []


def test_a_swap_that_others_built_on_before_its_check_is_none(versioned, other, port):
    """It was published, but returns None. So every record has its own ID, and the caller reads again."""
    entry = publish(versioned)

    def build_on(old, new):
        port.after_rename = lambda old, new: None
        publish(other, b"theirs")

    port.after_rename = build_on
    assert versioned.swap(entry, b"mine") is None
    assert versioned.read(KEY)[1:3] == (3, b"theirs")


def test_a_swap_that_cannot_be_read_back_is_an_error_and_not_none(versioned, port):
    """The rename succeeded: None would be understood as "another node won"."""
    publish(versioned)
    port.before_read = lambda path: fail(errno.EIO) if path.endswith("2/record.json") else None
    with pytest.raises(BackendError):
        versioned.swap(versioned.read(KEY), b"mine")
    port.before_read = lambda path: None
    assert versioned.read(KEY)[1:3] == (2, b"mine")


def test_a_listed_version_that_vanishes_is_read_again(versioned, other, port):
    publish(versioned)

    def vanish(path):
        port.before_read = lambda path: None
        publish(other, b"theirs", times=KEPT + 1)

    port.before_read = vanish
    assert versioned.read(KEY)[1:3] == (KEPT + 2, b"theirs")


def test_a_stale_file_handle_on_nfs_is_read_again(versioned, other, port, monkeypatch):
    publish(versioned)
    opened, calls = open, []

    def stale_once(path, *args, **kwargs):
        if str(path).endswith("record.json") and not calls:
            calls.append(path)
            fail(errno.ESTALE)
        return opened(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", stale_once)
    assert versioned.read(KEY).data == b"data"
    assert calls


def test_a_stale_listing_shows_the_old_version_until_a_swap_fails(versioned, other, port, folder):
    publish(versioned)
    publish(other, b"theirs")
    port.shown = lambda path, names: [n for n in names if not n.endswith("2")] if path == folder else names
    old = versioned.read(KEY)
    assert old.version == 1
    assert versioned.swap(old, b"mine") is None
    port.shown = lambda path, names: names
    assert versioned.read(KEY).data == b"theirs"


def test_a_version_without_a_record_is_refused_and_left_alone(versioned, folder):
    publish(versioned)
    os.mkdir(f"{folder}/{2:020}")
    with pytest.raises(StoreRefusedError, match="contains no record"):
        versioned.read(KEY)
    assert versions(folder) == [1, 2]


def test_a_full_disk_leaves_nothing_behind(versioned, port, folder, monkeypatch):
    publish(versioned)
    monkeypatch.setattr(os, "write", lambda fd, data: len(data) - 1)
    with pytest.raises(BackendError):
        versioned.swap(versioned.read(KEY), b"mine")
    monkeypatch.undo()
    assert versions(folder) == [1]
    assert leavings(folder) == []


@pytest.mark.parametrize("known", [1, 3])
def test_an_emptied_entry_refuses_a_swap_of_the_old_one(versioned, other, folder, known):
    """The administrator removed the entry of a running job, and another node claimed it again, under any number."""
    entry = publish(versioned, times=known)
    os.rename(folder, f"{folder}.removed")
    for theirs in range(1, known + 1):
        publish(other, b"theirs")
        assert versioned.swap(entry, b"mine") is None
        assert versioned.read(KEY)[1:3] == (theirs, b"theirs")
        assert leavings(folder) == []


def test_an_entry_that_another_process_has_read_is_not_mistaken_for_a_restored_one(versioned, other):
    entry = publish(other, b"theirs")
    assert versioned.swap(entry, b"mine")[1:3] == (2, b"mine")


def test_an_entry_is_not_mistaken_for_another_if_its_directory_was_copied(versioned, folder):
    """A backup that was put back has other directories with the same records."""
    entry = publish(versioned)
    shutil.copytree(folder, f"{folder}.copy")
    shutil.rmtree(folder)
    os.rename(f"{folder}.copy", folder)
    assert versioned.swap(entry, b"mine")[1:3] == (2, b"mine")


def test_a_record_is_not_read_again_before_it_is_replaced(versioned, port):
    """On NFS 4 each read leaves a delegation behind, and the server must get it back before the file can be removed."""
    entry = publish(versioned)
    read = []
    port.before_read = read.append
    for _ in range(3):
        entry = versioned.swap(entry, b"mine")
    assert [path.split("/")[-2][-1] for path in read] == ["2", "3", "4"]


def test_after_a_wait_the_cache_of_an_nfs_client_is_not_trusted(versioned, other, port, folder):
    """Until this node changes the directory itself, its listing stays the same."""
    entry = publish(versioned)
    cached = os.listdir(folder)
    port.shown = lambda path, names: cached if path == folder else names
    port.after_make = lambda path: setattr(port, "shown", lambda path, names: names)
    publish(other, b"theirs")
    assert versioned.read(KEY).version == 1
    versioned.wait(entry, 0.0)
    assert versioned.read(KEY).data == b"theirs"
