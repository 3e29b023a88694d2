"""What `file:` adds to the contract: the lock, the file's identity, partial writes, mounts that it refuses."""

import fcntl
import os
import threading

import pytest
from locked import damage, held
from stores import KEY, publish

from cronguard.store.contract import Entry, Terms, open_backend
from cronguard.store.files import slots
from cronguard.store.files.file import FileBackend
from cronguard.store.files.share import Share
from cronguard.store.files.slots import SLOT
from cronguard.system.errors import BackendError, StoreBusyError, StoreRefusedError


def test_the_file_of_an_entry_is_never_replaced(lock_files, path):
    publish(lock_files)
    first = os.stat(path)
    for n in range(20):
        publish(lock_files, b"%d" % n)
    publish(lock_files, b"")
    assert os.path.samestat(first, os.stat(path))
    assert os.listdir(os.path.dirname(path)) == ["invoices.lock"]


def test_reading_creates_nothing(lock_files, file):
    lock_files.read(KEY)
    list(lock_files.scan("lease/"))
    assert os.listdir(file.root) == []


def test_reading_needs_no_lock(lock_files, path):
    publish(lock_files)
    fd = held(path)
    assert lock_files.read(KEY).data == b"data"
    assert [e.key for e in lock_files.scan("lease/")] == [KEY]
    os.close(fd)


def test_a_lock_that_is_not_released_is_not_waited_for_for_ever(lock_files, path):
    publish(lock_files)
    fd = held(path)
    with pytest.raises(StoreBusyError, match="another process has not released it for 10s") as caught:
        publish(lock_files)
    assert not isinstance(caught.value, StoreRefusedError)
    assert "hangs, has crashed or is cut off" in caught.value.hint
    with pytest.raises(StoreBusyError, match="another process has not released it for 10s"):
        lock_files.wait(lock_files.read(KEY), 1.0)
    os.close(fd)
    assert publish(lock_files).version == 2


def test_a_lock_is_given_up_before_the_caller_gives_up(file, path):
    lock_files = open_backend(file.url, file.clock, file.state(), Terms(patience=3.0))
    publish(lock_files)
    fd, began = held(path), file.clock.boot()
    with pytest.raises(StoreBusyError):
        publish(lock_files)
    assert file.clock.boot() - began <= 1.5
    os.close(fd)


def test_a_lock_released_in_time_is_taken(file, lock_files, path):
    publish(lock_files)
    fd = held(path)
    file.during_wait(lambda: os.close(fd))
    assert publish(lock_files).version == 2


def test_the_lock_is_released_after_an_error(file, lock_files, path):
    publish(lock_files)
    damage(path, 0, SLOT)
    with pytest.raises(StoreRefusedError):
        lock_files.swap(Entry(KEY, 1, b"data"), b"more")
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_a_child_forked_under_the_lock_does_not_keep_it(lock_files, path, monkeypatch):
    load, children, (reader, writer) = slots.load, [], os.pipe()

    def load_and_fork(fd, path):
        monkeypatch.undo()
        children.append(os.fork())
        if children[0] == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        return load(fd, path)

    publish(lock_files)
    monkeypatch.setattr(slots, "load", load_and_fork)
    lock_files.wait(Entry(KEY, 0, b""), 0.0)
    assert publish(lock_files).version == 2
    os.close(writer)
    os.close(reader)
    os.waitpid(children[0], 0)


def test_a_reader_disturbed_by_two_writes_reads_again_under_the_lock(lock_files, path, monkeypatch):
    publish(lock_files)
    publish(lock_files, b"two")
    load, calls = slots.load, []

    def torn_once(fd, path):
        calls.append(path)
        if len(calls) == 1:
            raise StoreRefusedError("neither is whole")
        return load(fd, path)

    monkeypatch.setattr(slots, "load", torn_once)
    assert lock_files.read(KEY)[1:3] == (2, b"two")


def test_instead_of_a_damaged_latest_record_the_one_before_is_read(lock_files, path):
    publish(lock_files, b"one")
    publish(lock_files, b"two")
    damage(path, SLOT + 40)
    damage(path, SLOT)
    assert lock_files.read(KEY)[1:3] == (1, b"one")
    assert publish(lock_files, b"two again").version == 2


@pytest.mark.parametrize("content", [b"#!/bin/sh\nexit 0\n", b"\xff" * 200_000])
def test_a_foreign_file_is_refused_and_left_as_it_is(lock_files, path, content):
    os.makedirs(os.path.dirname(path))
    with open(path, "wb") as file:
        file.write(content)
    for call in (
        lambda: lock_files.read(KEY),
        lambda: lock_files.swap(Entry(KEY, 0, b""), b"mine"),
        lambda: lock_files.wait(Entry(KEY, 0, b""), 0.0),
        lambda: list(lock_files.scan("lease/")),
    ):
        with pytest.raises(StoreRefusedError, match="is not a cronguard lock file"):
            call()
    with open(path, "rb") as file:
        assert file.read() == content


def test_a_lock_file_that_is_a_symbolic_link_is_not_followed(lock_files, path, tmp_path):
    os.makedirs(os.path.dirname(path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"")
    os.symlink(elsewhere, path)
    with pytest.raises(BackendError):
        lock_files.swap(Entry(KEY, 0, b""), b"mine")
    assert elsewhere.read_bytes() == b""


@pytest.mark.parametrize("fault", ["fuse.sshfs", "nfs vers=3"])
def test_an_unsafe_mount_is_refused_when_it_is_opened(file, monkeypatch, fault):
    kind, _, options = fault.partition(" ")
    fake = f"1 0 0:1 / / rw - {kind} server:/x rw,{options}\n"
    path = f"{os.path.dirname(file.root)}/mountinfo"
    with open(path, "w", encoding="utf-8") as mountinfo:
        mountinfo.write(fake)
    monkeypatch.setattr("cronguard.store.files.medium._MOUNTS", path)
    with pytest.raises(StoreRefusedError) as caught:
        file.open()
    assert "dir:" in caught.value.hint
    assert file.root in str(caught.value)
    FileBackend(Share(file.url, file.state()), file.clock, is_any_mount_fine=True).read(KEY)


def test_a_ttl_that_a_dead_nodes_lock_outlasts_on_nfs_is_told_once_a_day(file, monkeypatch):
    path, told = f"{os.path.dirname(file.root)}/mountinfo", []
    with open(path, "w", encoding="utf-8") as mountinfo:
        mountinfo.write("1 0 0:1 / / rw - nfs4 server:/x rw,vers=4.2,local_lock=none\n")
    monkeypatch.setattr("cronguard.store.files.medium._MOUNTS", path)
    terms = Terms(30.0, told.append)

    def open_it(run_for):
        open_backend(file.url, file.clock, file.state(), terms._replace(run_for=run_for))

    open_it(169.0)  # the default ttl of 180
    assert told == []
    for _ in range(3):
        open_it(49.0)
    assert len(told) == 1
    assert "is stopped after 49s" in told[0] and "a ttl of 120 or more" in told[0]
    file.clock.ahead = 86500.0
    open_it(49.0)
    assert len(told) == 2


def test_no_ttl_is_too_short_for_a_disk(file):
    open_backend(file.url, file.clock, file.state(), Terms(30.0, pytest.fail, 3.0))


def test_the_lock_also_works_between_threads_of_one_process(file):
    from cronguard.system.clock import Clock

    file.clock = Clock()

    def count():
        backend = file.open()
        for _ in range(20):
            while True:
                entry = backend.read(KEY)
                if backend.swap(entry, b"%d" % (int(entry.data or b"0") + 1)):
                    break

    threads = [threading.Thread(target=count) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert file.open().read(KEY)[1:3] == (80, b"80")
