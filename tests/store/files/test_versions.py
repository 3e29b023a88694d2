"""What `dir:` adds to the contract: version numbers, the versions kept, leftovers."""

import errno
import os
import time

from faulty_port import fail, leavings, versions
from stores import publish

from cronguard.store.files.versioned import KEPT

DAY = 86400.0


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
