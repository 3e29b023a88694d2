"""What `dir:` does beside the contract: numbers, what is kept, leavings."""

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


def test_versions_are_numbers_from_1_of_twenty_digits(versioned, folder):
    publish(versioned, times=2)
    assert sorted(os.listdir(folder)) == ["0" * 19 + "1", "0" * 19 + "2"]
    assert os.listdir(f"{folder}/{'0' * 19}2") == ["record.json"]


def test_sixteen_versions_are_kept_and_the_highest_never_goes(versioned, folder):
    publish(versioned, times=3 * KEPT + 5)
    assert versions(folder) == list(range(2 * KEPT + 6, 3 * KEPT + 6))
    assert leavings(folder) == []


def test_old_versions_go_oldest_first_and_trimming_stops_at_the_first_that_does_not(versioned, port, folder):
    publish(versioned, times=KEPT)
    stuck = f"{folder}/{2:020}"
    port.before_rename = lambda old, new: fail(errno.EACCES) if old == stuck else None
    publish(versioned, times=3)
    assert versions(folder) == list(range(2, KEPT + 4))
    port.before_rename = lambda old, new: None
    publish(versioned)
    assert versions(folder) == list(range(5, KEPT + 5))


def test_a_publication_that_cannot_tidy_up_has_succeeded(versioned, port, folder):
    publish(versioned, times=KEPT)
    port.before_rename = lambda old, new: fail(errno.EIO) if ".trash" in new else None
    assert publish(versioned).version == KEPT + 1


def test_what_the_crashed_left_is_removed_after_a_day(versioned, folder):
    publish(versioned, times=KEPT - 1)
    for name, age in ((".staging-dead", DAY + 60), (".trash-dead", DAY + 60), (".staging-alive", 60)):
        os.mkdir(f"{folder}/{name}")
        with open(f"{folder}/{name}/record.json", "wb"):
            pass
        make_old(f"{folder}/{name}", age)
    publish(versioned)
    assert leavings(folder) == [".staging-alive"]


def test_a_herd_does_not_look_at_each_others_leavings_at_every_publication(versioned, folder):
    publish(versioned)
    os.mkdir(f"{folder}/.staging-dead")
    make_old(f"{folder}/.staging-dead", 2 * DAY)
    publish(versioned)
    assert leavings(folder) == [".staging-dead"]


def test_a_file_that_nfs_keeps_under_another_name_is_no_version(versioned, folder):
    publish(versioned)
    with open(f"{folder}/.nfs000000000001", "wb"):
        pass
    assert publish(versioned).version == 2
