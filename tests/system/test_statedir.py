import os
import pwd
import stat
import subprocess
import sys

import pytest

from cronguard.store.gate import Gate
from cronguard.system import statedir
from cronguard.system.errors import ConfigError
from cronguard.system.statedir import StateDir

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0,
    reason="needs root",
)


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


@needs_root
def test_a_full_disk_keeps_what_was_stored_and_gains_no_file(tmp_path):
    script = """
import os, sys
from cronguard.system.clock import Clock
from cronguard.store.gate import Gate
from cronguard.system.statedir import StateDir
state = StateDir(sys.argv[1], "web1")
state.store("seen", "x", b"old")
def pass_gate():
    gate = Gate(state, "dir:/a", 1.0, Clock())
    gate.enter()
    gate.leave()
pass_gate()
with open(f"{sys.argv[1]}/filler", "wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
def files():
    return sorted(f"{at}/{name}" for at, _, names in os.walk(sys.argv[1]) for name in names)
before = files()
for _ in range(3):
    state.store("seen", "x", bytes(9000))
    pass_gate()
assert state.load("seen", "x") == b"old"
assert files() == before, files()
"""
    inside = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3" "$1"'
    argv = ["unshare", "--mount", "sh", "-ec", inside, "sh", str(tmp_path), sys.executable, script]
    subprocess.run(argv, check=True)


def test_two_containers_with_one_process_id_do_not_write_to_one_temporary_file(state, monkeypatch):
    """The second one stores while the first one has written half."""
    names, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda aside, path: names.append(aside) or replace(aside, path))
    state.store("seen", "x", b"1")
    state.store("seen", "x", b"2")
    assert len(set(names)) == 2 and str(os.getpid()) in names[0]


@needs_root
@pytest.mark.parametrize("command", [["run", "--name", "x", "--", "echo", "ran"], ["locks"], ["metrics"]])
def test_a_user_without_a_home_directory_is_refused_and_no_directory_is_made(tmp_path, command):
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    argv = ["unshare", "--user", "--map-user=54321", sys.executable, "-m", "cronguard", *command]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (78, "")
    assert "HOME is not set, and UID 54321 has no passwd entry" in done.stderr
    assert os.listdir(tmp_path) == []


@needs_root
def test_a_user_without_a_home_directory_has_no_configuration_file_in_the_current_directory(tmp_path):
    folder = tmp_path / "~/.config/cronguard"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("planted")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    env["CRONGUARD_STATE_DIR"] = str(tmp_path / "state")
    argv = ["unshare", "--user", "--map-user=54321", sys.executable, "-m", "cronguard", "locks"]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("env", [{"HOME": "here"}, {"HOME": "/root", "XDG_STATE_HOME": "here"}])
def test_a_state_directory_below_the_current_directory_is_refused(monkeypatch, env):
    monkeypatch.setattr(statedir.os, "geteuid", lambda: 7)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"'here.*' is not an absolute path"):
        StateDir(None, "web1")


def test_a_user_whose_home_is_not_in_the_environment_has_the_one_of_the_passwd_entry(monkeypatch):
    monkeypatch.setattr(statedir.os, "geteuid", lambda: pwd.getpwnam("daemon").pw_uid)
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert StateDir(None, "web1").root == f"{pwd.getpwnam('daemon').pw_dir}/.local/state/cronguard"


@pytest.mark.parametrize("plant", [os.symlink, lambda _, path: os.mkfifo(path)], ids=["link", "pipe"])
def test_a_planted_link_or_pipe_is_neither_followed_nor_waited_for(tmp_path, clock, plant):
    """Others may be able to write to the directory. Opening a pipe without a reader would block forever."""
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    state = StateDir(str(tmp_path / "state"), "web1")
    counter = f"{state.counters}/run@billing@invoices@done"
    for path in (counter, state.path("gate", "dir:/a")):
        state.make_folder(os.path.dirname(path))
        plant(target, path)
    state.count("run", "billing", "invoices", "done")
    Gate(state, "dir:/a", 1.0, clock).enter()
    assert target.read_bytes() == b"precious"


def test_a_reader_never_sees_half_of_what_is_stored(state):
    """Whoever has opened the old file reads all of it: a file that is written in place is half empty meanwhile."""
    state.store("seen", "x", b"first")
    with open(state.path("seen", "x"), "rb") as reader:
        state.store("seen", "x", b"2")
        assert reader.read() == b"first"
    assert state.load("seen", "x") == b"2"
