"""What `file:` does when a write fails, and when the file is no longer the same one."""

import errno
import os

import pytest
from locked import damage, held
from stores import KEY, publish

from cronguard.store.contract import Entry
from cronguard.store.files import slots
from cronguard.store.files.file import FileBackend
from cronguard.store.files.slots import SLOT
from cronguard.system.errors import BackendError


def fail_once(monkeypatch, owner, name, code, *, after):
    """Let one call fail, before it has done anything or after it has done everything."""
    call, calls = getattr(owner, name), []

    def failing(*args):
        calls.append(args)
        if len(calls) > 1:
            return call(*args)
        if after:
            call(*args)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(owner, name, failing)
    return calls


@pytest.mark.parametrize("name", ["pwrite", "fsync"])
@pytest.mark.parametrize("after", [False, True], ids=["not done", "done"])
def test_after_an_error_our_own_data_is_recognised_and_written_again(lock_files, monkeypatch, name, after):
    entry = publish(lock_files, b"one")
    calls = fail_once(monkeypatch, os, name, errno.EIO, after=after)
    assert lock_files.swap(entry, b"two")[1:3] == (2, b"two")
    assert len(calls) == 2
    assert lock_files.read(KEY)[1:3] == (2, b"two")


def test_after_an_error_a_successor_of_our_own_data_is_left_alone(file, lock_files, monkeypatch):
    """The write took effect although an error was reported, and another node has published a version after it."""
    entry = publish(lock_files, b"one")
    other, opened, is_first = file.open("web2"), FileBackend._opened, []
    fail_once(monkeypatch, os, "fsync", errno.EIO, after=True)

    def opened_late(self, path):
        if self is lock_files:
            is_first.append(1)
            if len(is_first) == 2:
                assert other.swap(other.read(KEY), b"theirs").version == 3
        return opened(self, path)

    monkeypatch.setattr(FileBackend, "_opened", opened_late)
    assert lock_files.swap(entry, b"two") is None
    assert lock_files.read(KEY)[1:3] == (3, b"theirs")


def test_a_lasting_error_is_raised(lock_files, monkeypatch):
    entry = publish(lock_files, b"one")
    monkeypatch.setattr(
        os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(errno.EIO, "input/output error"))
    )
    with pytest.raises(BackendError):
        lock_files.swap(entry, b"two")


def test_a_full_disk_loses_nothing(lock_files, monkeypatch):
    entry = publish(lock_files, b"one")
    write, room = os.pwrite, [10]

    def full(fd, data, at):
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data[: room.pop()], at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(BackendError):
        lock_files.swap(entry, b"two")
    monkeypatch.undo()
    assert lock_files.read(KEY)[1:3] == (1, b"one")
    assert lock_files.swap(entry, b"two").version == 2


def test_equal_data_of_another_node_is_not_mistaken_for_our_own(file):
    a, b = file.open("web1"), file.open("web2")
    assert a.swap(Entry(KEY, 0, b""), b"same")
    assert b.swap(Entry(KEY, 0, b""), b"same") is None


def test_a_version_that_a_crashed_server_lost_is_not_built_on(lock_files, path):
    publish(lock_files, b"one")
    seen = publish(lock_files, b"seen, then forgotten")
    damage(path, SLOT)
    publish(lock_files, b"another second")
    assert lock_files.swap(seen, b"three") is None
    assert lock_files.read(KEY)[1:3] == (2, b"another second")


def test_a_file_moved_away_during_the_wait_for_its_lock_is_not_written_to(file, lock_files, path):
    """The administrator moved it away, and another node created a new one."""
    publish(lock_files, b"one")
    fd = held(path)

    def move():
        os.rename(path, f"{path}.bak")
        os.close(fd)

    file.during_wait(move)
    assert lock_files.swap(Entry(KEY, 1, b"one"), b"two") is None
    assert lock_files.read(KEY).version == 0
    with open(f"{path}.bak", "rb") as moved:
        assert slots.load(moved.fileno(), "x") == (1, b"one")


def test_a_file_that_is_replaced_again_and_again_is_an_error(lock_files, monkeypatch):
    publish(lock_files)
    monkeypatch.setattr(os.path, "samestat", lambda a, b: False)
    with pytest.raises(BackendError, match="again and again"):
        publish(lock_files)


def test_a_file_system_without_links_works_too(file, path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda old, new: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
    os.chmod(file.root, 0o770)
    assert publish(file.open()).version == 1
    assert os.listdir(os.path.dirname(path)) == ["invoices.lock"]
    assert oct(os.stat(path).st_mode & 0o777) == oct(0o660)


def test_two_nodes_that_create_a_file_at_once_create_one(file, lock_files, path, monkeypatch):
    other, link = file.open("web2"), os.link

    def link_late(old, new):
        monkeypatch.undo()
        assert publish(other, b"theirs").version == 1
        link(old, new)

    monkeypatch.setattr(os, "link", link_late)
    assert lock_files.swap(Entry(KEY, 0, b""), b"mine") is None
    assert lock_files.read(KEY).data == b"theirs"
