import os
import stat

import pytest

from cronguard.store.gate import Gate
from cronguard.system import statedir
from cronguard.system.statedir import StateDir


def test_stored_data_are_loaded(state):
    state.store("seen", "dir:/a x", b"first")
    state.store("seen", "dir:/a x", b"second")
    assert state.load("seen", "dir:/a x") == b"second"


def test_nothing_is_loaded_if_nothing_was_stored(state):
    assert state.load("seen", "x") == b"" and state.age("seen", "x", 0.0) is None


def test_kinds_and_subjects_are_kept_apart(state):
    state.store("seen", "x", b"1")
    assert state.load("stuck", "x") == state.load("seen", "y") == b""


@pytest.mark.parametrize("what", ["../../etc/passwd", "/", "a\nb", "é\udcff", "x" * 5000])
def test_any_text_has_a_file_in_the_nodes_own_directory(state, what):
    state.store("seen", what, b"1")
    assert state.load("seen", what) == b"1"
    assert os.path.realpath(state.path("seen", what)).startswith(
        os.path.realpath(f"{state.root}/node/web1/seen/")
    )


def test_no_temporary_file_is_left(state):
    state.store("seen", "x", b"1")
    assert len(os.listdir(os.path.dirname(state.path("seen", "x")))) == 1


def test_only_its_user_can_read_what_is_stored(state):
    state.store("seen", "x", b"1")
    assert stat.S_IMODE(os.stat(os.path.dirname(state.path("seen", "x"))).st_mode) == 0o700


def test_removed_data_are_gone_and_removing_nothing_is_not_an_error(state):
    state.store("seen", "x", b"1")
    state.remove("seen", "x")
    state.remove("seen", "x")
    assert state.load("seen", "x") == b""


def test_the_age_is_the_time_since_the_last_store(state):
    state.store("complaint", "x", b"1")
    os.utime(state.path("complaint", "x"), (100.0, 100.0))
    assert state.age("complaint", "x", 160.0) == 60.0


def test_a_directory_that_cannot_be_created_is_not_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    state = StateDir(str(tmp_path / "file"), "web1")
    state.store("seen", "x", b"1")
    assert state.load("seen", "x") == b""


def test_two_nodes_with_one_home_share_nothing_but_the_root(tmp_path):
    one, other = (StateDir(str(tmp_path), node) for node in ("web1", "web2"))
    one.store("seen", "x", b"1")
    assert one.root == other.root and other.load("seen", "x") == b""


@pytest.mark.parametrize(("uid", "env", "root"), [
    (0, {"HOME": "/root", "XDG_STATE_HOME": "/x"}, "/var/lib/cronguard"),
    (7, {"HOME": "/home/app"}, "/home/app/.local/state/cronguard"),
    (7, {"HOME": "/home/app", "XDG_STATE_HOME": "/x"}, "/x/cronguard"),
])  # fmt: skip
def test_root_uses_the_systems_directory_and_other_users_their_own(monkeypatch, uid, env, root):
    monkeypatch.setattr(statedir.os, "geteuid", lambda: uid)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert StateDir(None, "web1").root == root


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory to another user")
def test_files_that_root_creates_in_a_users_directory_belong_to_that_user(tmp_path, clock):
    os.chown(tmp_path, 54321, 54322)
    state = StateDir(str(tmp_path), "web1")
    state.store("seen", "x", b"1")
    state.count("run", "billing", "invoices", "done")
    Gate(state, "dir:/a", 1.0, clock).enter()
    assert {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.rglob("*")} == {(54321, 54322)}


@pytest.mark.parametrize("plant", [os.symlink, lambda _, path: os.mkfifo(path)], ids=["link", "pipe"])
def test_a_planted_link_or_pipe_is_neither_followed_nor_waited_for(tmp_path, clock, plant):
    """Others may be able to write to the directory. Opening a pipe without a reader would block forever."""
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    state = StateDir(str(tmp_path / "state"), "web1")
    counter = f"{state.counters}/run@billing@invoices@done"
    aside = f"{state.path('seen', 'x')}.{os.getpid()}"
    for path in (counter, aside, state.path("gate", "dir:/a")):
        state.make_folder(os.path.dirname(path))
        plant(target, path)
    state.count("run", "billing", "invoices", "done")
    state.store("seen", "x", b"1")
    Gate(state, "dir:/a", 1.0, clock).enter()
    assert target.read_bytes() == b"precious"


def test_a_reader_never_sees_half_of_what_is_stored(state):
    """Whoever has opened the old file reads all of it: a file that is written in place is half empty meanwhile."""
    state.store("seen", "x", b"first")
    with open(state.path("seen", "x"), "rb") as reader:
        state.store("seen", "x", b"2")
        assert reader.read() == b"first"
    assert state.load("seen", "x") == b"2"
