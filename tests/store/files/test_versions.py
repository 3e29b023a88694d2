"""What `dir:` adds to the contract: version numbers, the versions kept, leftovers."""

import errno
import os
import time

import pytest
from faulty_port import fail, is_version, leavings, versions
from stores import KEY, publish

from cronguard.store.files.directory import DirectoryBackend
from cronguard.store.files.share import Share
from cronguard.store.files.versioned import KEPT

DAY = 86400.0


@pytest.fixture
def nfs(directory, port):
    """This node's backend on a share that others read too."""
    return DirectoryBackend(Share(directory.url, directory.state()), directory.clock, port)


@pytest.fixture
def trash(directory):
    return f"{directory.root}/v1/.trash"


def make_old(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_versions_are_numbers_of_twenty_digits_from_1(versioned, folder):
    publish(versioned, times=2)
    assert sorted(os.listdir(folder)) == ["0" * 19 + "1", "0" * 19 + "2"]
    assert os.listdir(f"{folder}/{'0' * 19}2") == ["record.json"]


def test_sixteen_versions_are_kept_and_the_highest_is_never_removed(versioned, folder):
    publish(versioned, times=3 * KEPT + 5)
    assert versions(folder) == list(range(2 * KEPT + 6, 3 * KEPT + 6))
    assert leavings(folder) == []


def test_old_versions_are_removed_oldest_first_until_one_cannot_be_removed(versioned, port, folder):
    publish(versioned, times=KEPT)
    stuck = f"{folder}/{2:020}"
    port.before_rename = lambda old, new: fail(errno.EACCES) if old == stuck else None
    publish(versioned, times=3)
    assert versions(folder) == list(range(2, KEPT + 4))
    port.before_rename = lambda old, new: None
    publish(versioned)
    assert versions(folder) == list(range(5, KEPT + 5))


def test_a_swap_on_a_share_unlinks_nothing_that_another_node_may_have_read(nfs, port, folder, trash):
    """On NFS 4, each unlink may wait for the server to get a delegation back from a dead node."""
    port.before_unlink = fail_to_unlink
    publish(nfs, times=KEPT)
    assert not nfs.is_untidy
    publish(nfs, times=3)
    assert versions(folder) == list(range(4, KEPT + 4))
    assert leavings(folder) == []
    assert nfs.is_untidy
    assert len(os.listdir(trash)) == 3
    port.before_unlink = lambda path: None
    nfs.tidy()
    assert os.listdir(trash) == []


def fail_to_unlink(path):
    raise AssertionError(f"{path} is unlinked")


def test_tidying_goes_on_after_what_cannot_be_removed(nfs, port, trash):
    publish(nfs, times=KEPT + 3)
    stuck = sorted(os.listdir(trash))[1]
    port.before_unlink = lambda path: fail(errno.EBUSY) if stuck in path else None
    nfs.tidy()
    assert os.listdir(trash) == [stuck]
    nfs.tidy()
    port.before_unlink = lambda path: None
    nfs.tidy()
    assert os.listdir(trash) == []


def test_there_is_nothing_to_tidy_in_a_new_store(nfs):
    nfs.tidy()


def test_the_loser_of_a_race_on_a_share_removes_its_own_version_at_once(nfs, other, port, trash):
    entry = publish(nfs)
    port.before_rename = lambda old, new: publish(other) if is_version(new) else None
    assert nfs.swap(entry, b"mine") is None
    assert os.listdir(trash) == []
    assert not nfs.is_untidy


def test_a_node_that_hung_while_the_store_was_restored_puts_none_of_its_new_versions_away(
    nfs, other, port, folder
):
    """The number that is to go, 1, is now the number of the newest version."""
    publish(nfs, times=KEPT)

    def restore(path):
        if path.endswith(f"{KEPT + 1:020}/record.json"):
            os.rename(folder, f"{folder}.removed")
            publish(other, b"theirs")

    port.after_read = restore
    nfs.swap(nfs.read(KEY), b"mine")
    assert versions(folder) == [1]
    assert other.read(KEY)[1:3] == (1, b"theirs")


def test_a_publication_succeeds_even_if_it_cannot_tidy_up(versioned, port, folder):
    publish(versioned, times=KEPT)
    port.before_rename = lambda old, new: fail(errno.EIO) if ".trash" in new else None
    assert publish(versioned).version == KEPT + 1


def test_leftovers_of_crashed_processes_are_removed_after_a_day(versioned, folder):
    publish(versioned, times=KEPT - 1)
    for name, age in ((".staging-dead", DAY + 60), (".trash-dead", DAY + 60), (".staging-alive", 60)):
        os.mkdir(f"{folder}/{name}")
        with open(f"{folder}/{name}/record.json", "wb"):
            pass
        make_old(f"{folder}/{name}", age)
    publish(versioned)
    assert leavings(folder) == [".staging-alive"]


def test_leftovers_are_not_examined_at_every_publication(versioned, folder):
    publish(versioned)
    os.mkdir(f"{folder}/.staging-dead")
    make_old(f"{folder}/.staging-dead", 2 * DAY)
    publish(versioned)
    assert leavings(folder) == [".staging-dead"]


def test_a_file_that_nfs_keeps_under_another_name_is_not_a_version(versioned, folder):
    publish(versioned)
    with open(f"{folder}/.nfs000000000001", "wb"):
        pass
    assert publish(versioned).version == 2
