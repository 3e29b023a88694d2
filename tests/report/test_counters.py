import os
import pwd
from multiprocessing import get_context

import pytest

from cronguard.report import counters
from cronguard.report.counters import Event, counted
from cronguard.system import statedir, substitute
from cronguard.system.mounts import kind_of
from cronguard.system.statedir import FULL, StateDir

ME = pwd.getpwuid(os.geteuid()).pw_name
HELD = ("skip", "billing", "invoices", "held")


def read(state, wall=0.0):
    return counted(state, "web1", wall, all_users=False)


def hammer(root):
    for _ in range(500):
        StateDir(root, "web1").count(*HELD)


def test_counters_are_read_with_their_user(state):
    for _ in range(3):
        state.count(*HELD)
    state.count("run", "billing", "invoices", "lost")
    assert read(state) == {Event(*HELD, ME): 3, Event("run", "billing", "invoices", "lost", ME): 1}


def test_many_processes_count_at_once_and_none_is_missed(state):
    processes = [get_context("fork").Process(target=hammer, args=(state.root,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert read(state) == {Event(*HELD, ME): 2000}


def test_a_counter_does_not_grow_without_limit(state):
    state.count(*HELD)
    path = f"{state.counters}/{'@'.join(HELD)}"
    with open(path, "ab") as file:
        file.truncate(FULL - 2)
    state.count(*HELD)
    assert read(state) == {Event(*HELD, ME): FULL - 1}
    state.count(*HELD)
    assert os.path.getsize(path) == 0
    state.count(*HELD)
    assert read(state) == {Event(*HELD, ME): 1}


def test_the_number_of_counters_is_limited(state, monkeypatch):
    monkeypatch.setattr(statedir, "_MOST_COUNTERS", 3)
    for number in range(9):
        state.count("run", "n", f"job{number}", "done")
    state.count("run", "n", "job0", "done")
    assert [event.job for event in read(state)] == ["job0", "job1", "job2"]
    assert read(state)[Event("run", "n", "job0", "done", ME)] == 2


def test_the_longest_names_have_a_counter(state):
    longest = "x" * 100
    state.count("skip", longest, longest, "not-its-turn")
    assert [event.job for event in read(state)] == [longest]


def test_a_counter_of_a_job_that_no_longer_exists_is_forgotten(state):
    state.count(*HELD)
    os.utime(f"{state.counters}/{'@'.join(HELD)}", (1e9, 1e9))
    state.count("run", "n", "j", "done")
    assert [event.job for event in read(state, 1e9 + 99 * 86400)] == ["j", "invoices"]
    assert [event.job for event in read(state, 1e9 + 101 * 86400)] == ["j"]


def test_a_file_that_is_not_a_counter_is_not_removed_however_old_it_is(state, tmp_path):
    """A user who can write to the directory could lead root to any other directory through a symbolic link."""
    (tmp_path / "shadow").write_text("precious")
    os.utime(tmp_path / "shadow", (1e9, 1e9))
    os.makedirs(os.path.dirname(state.counters))
    os.symlink(tmp_path, state.counters)
    assert read(state, 2e9) == {}
    assert (tmp_path / "shadow").exists()


def test_only_a_limited_number_of_counters_is_read(state, monkeypatch):
    monkeypatch.setattr(counters, "_MOST", 3)
    for number in range(9):
        state.count("run", "n", f"job{number}", "done")
    assert len(read(state)) == 3


@pytest.mark.parametrize("name", ["x", "run@a@b", "run@a@b@c@d", "walk@a@b@c", "run@a b@c@d", "run@@b@c"])
def test_other_files_are_not_counters(state, name):
    state.count(*HELD)
    open(f"{state.counters}/{name}", "w").close()
    assert read(state) == {Event(*HELD, ME): 1}


def test_a_directory_that_is_not_writable_costs_only_the_count(tmp_path):
    (tmp_path / "file").write_text("")
    state = StateDir(str(tmp_path / "file"), "web1")
    state.count(*HELD)
    assert read(state) == {}


def test_a_huge_counter_counts_as_a_full_one(state):
    state.count(*HELD)
    os.truncate(f"{state.counters}/{'@'.join(HELD)}", 1 << 40)
    assert read(state) == {Event(*HELD, ME): FULL}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home directory of a user with guarded jobs, on a machine where tmp_path is a local disk."""
    folder = tmp_path / "home" / "app"
    theirs = StateDir(str(folder / ".local/state/cronguard"), "web1")
    theirs.count(*HELD)
    user = pwd.struct_passwd(("app", "x", 1000, 1000, "", str(folder), "/bin/sh"))
    monkeypatch.setattr(counters.pwd, "getpwall", lambda: [user])
    monkeypatch.setattr(counters, "kind_of", lambda _, path: "ext4")
    return folder


def of_all(state, node="web1"):
    return counted(state, node, 0.0, all_users=True)


def test_root_adds_the_counters_in_users_homes(state, home):
    state.count(*HELD)
    assert of_all(state) == {Event(*HELD, ME): 2}
    assert of_all(state, "web2") == {Event(*HELD, ME): 1}


def test_root_adds_the_counters_of_users_whose_homes_are_on_a_file_server(state, home, tmp_path, monkeypatch):
    monkeypatch.setattr(substitute, "_DISK", str(tmp_path / "tmp"))
    monkeypatch.setattr(counters, "kind_of", lambda _, path: "nfs4" if "/home/" in f"{path}/" else "ext4")
    theirs = StateDir(substitute.place_of(f"{home}/.local/state/cronguard", 1000), "web1")
    for _ in range(3):
        theirs.count(*HELD)
    assert of_all(state) == {Event(*HELD, ME): 3}


def test_counters_in_homes_are_not_changed(state, home):
    assert counted(state, "web1", 1e12, all_users=True) == {Event(*HELD, ME): 1}
    assert of_all(state) == {Event(*HELD, ME): 1}


def test_homes_on_another_machines_disk_are_not_read(state, home, monkeypatch):
    monkeypatch.setattr(counters, "kind_of", lambda _, path: "nfs4" if path.endswith("/app") else "ext4")
    looked = []
    monkeypatch.setattr(counters.os.path, "islink", lambda path: looked.append(path) or False)
    assert of_all(state) == {}
    assert looked and not [path for path in looked if "/app" in path]


def test_root_does_not_follow_a_link_that_a_user_made(state, home):
    os.rename(home / ".local/state", home / "elsewhere")
    os.symlink(home / "elsewhere", home / ".local/state")
    assert of_all(state) == {}


def test_the_kind_of_a_path_is_that_of_its_innermost_mount():
    mountinfo = (
        "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / /home rw shared:1 - nfs4 server:/home rw,vers=4.2\n"
    )
    found = [kind_of(mountinfo, path) for path in ("/", "/homes", "/home", "/home/app")]
    assert found == ["ext4", "ext4", "nfs4", "nfs4"]
    assert kind_of("", "/") is None
