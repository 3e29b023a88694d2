import os
import pwd
from multiprocessing import get_context

import pytest

from cronguard.report import counters
from cronguard.report.counters import Event, counted
from cronguard.store.files.mounts import kind_of
from cronguard.system import statedir
from cronguard.system.statedir import FULL, StateDir

ME = pwd.getpwuid(os.geteuid()).pw_name
HELD = ("skip", "billing", "invoices", "held")


def read(state, wall=0.0):
    return counted(state, "web1", wall, all_users=False)


def hammer(root):
    for _ in range(500):
        StateDir(root, "web1").count(*HELD)


def test_what_was_counted_is_read_with_its_user(state):
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


def test_a_counter_does_not_grow_without_end(state):
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


def test_there_are_not_more_and_more_counters(state, monkeypatch):
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


def test_a_counter_of_a_job_that_is_no_more_is_forgotten(state):
    state.count(*HELD)
    os.utime(f"{state.counters}/{'@'.join(HELD)}", (1e9, 1e9))
    state.count("run", "n", "j", "done")
    assert [event.job for event in read(state, 1e9 + 99 * 86400)] == ["j", "invoices"]
    assert [event.job for event in read(state, 1e9 + 101 * 86400)] == ["j"]


def test_what_is_no_counter_is_not_removed_however_old_it_is(state, tmp_path):
    """Who may write to the folder could lead root to any other one by a symbolic link."""
    (tmp_path / "shadow").write_text("precious")
    os.utime(tmp_path / "shadow", (1e9, 1e9))
    os.makedirs(os.path.dirname(state.counters))
    os.symlink(tmp_path, state.counters)
    assert read(state, 2e9) == {}
    assert (tmp_path / "shadow").exists()


def test_not_all_of_a_flood_of_counters_is_read(state, monkeypatch):
    monkeypatch.setattr(counters, "_MOST", 3)
    for number in range(9):
        state.count("run", "n", f"job{number}", "done")
    assert len(read(state)) == 3


@pytest.mark.parametrize("name", ["x", "run@a@b", "run@a@b@c@d", "walk@a@b@c", "run@a b@c@d", "run@@b@c"])
def test_other_files_are_no_counters(state, name):
    state.count(*HELD)
    open(f"{state.counters}/{name}", "w").close()
    assert read(state) == {Event(*HELD, ME): 1}


def test_a_folder_that_cannot_be_written_costs_the_count_and_nothing_else(tmp_path):
    (tmp_path / "file").write_text("")
    state = StateDir(str(tmp_path / "file"), "web1")
    state.count(*HELD)
    assert read(state) == {}


def test_a_counter_that_somebody_has_made_huge_says_no_more_than_a_full_one(state):
    state.count(*HELD)
    os.truncate(f"{state.counters}/{'@'.join(HELD)}", 1 << 40)
    assert read(state) == {Event(*HELD, ME): FULL}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home of a user who has guarded lines, on a machine where all that is tmp_path is a local disk."""
    folder = tmp_path / "home" / "app"
    theirs = StateDir(str(folder / ".local/state/cronguard"), "web1")
    theirs.count(*HELD)
    user = pwd.struct_passwd(("app", "x", 1000, 1000, "", str(folder), "/bin/sh"))
    monkeypatch.setattr(counters.pwd, "getpwall", lambda: [user])
    monkeypatch.setattr(counters, "kind_of", lambda _, path: "ext4")
    return folder


def of_all(state, node="web1"):
    return counted(state, node, 0.0, all_users=True)


def test_root_counts_what_users_count_in_their_homes(state, home):
    state.count(*HELD)
    assert of_all(state) == {Event(*HELD, ME): 2}
    assert of_all(state, "web2") == {Event(*HELD, ME): 1}


def test_what_is_read_in_homes_is_not_changed(state, home):
    assert counted(state, "web1", 1e12, all_users=True) == {Event(*HELD, ME): 1}
    assert of_all(state) == {Event(*HELD, ME): 1}


def test_no_home_on_a_disk_of_another_machine_is_looked_into(state, home, monkeypatch):
    monkeypatch.setattr(counters, "kind_of", lambda _, path: "nfs4" if path.endswith("/app") else "ext4")
    looked = []
    monkeypatch.setattr(counters.os.path, "islink", lambda path: looked.append(path) or False)
    assert of_all(state) == {}
    assert looked and not [path for path in looked if "/app" in path]


def test_root_follows_no_link_that_a_user_made(state, home):
    os.rename(home / ".local/state", home / "elsewhere")
    os.symlink(home / "elsewhere", home / ".local/state")
    assert of_all(state) == {}


def test_the_kind_of_a_mount_is_that_of_the_last_one_on_the_way():
    mountinfo = (
        "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / /home rw shared:1 - nfs4 server:/home rw,vers=4.2\n"
    )
    found = [kind_of(mountinfo, path) for path in ("/", "/homes", "/home", "/home/app")]
    assert found == ["ext4", "ext4", "nfs4", "nfs4"]
    assert kind_of("", "/") is None
