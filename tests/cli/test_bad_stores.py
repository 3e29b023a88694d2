import json
import os
import time

import pytest
from nodes import BOUND_BY_MODES, PLAIN, content, record_file, told

from cronguard import __version__

BOUND = (*BOUND_BY_MODES, *PLAIN)
JOB = ("--name", "j")
ANYWAY = ("--if-unavailable", "run")
UNREADABLE = {
    "garbage": b"\x00\xff garbage",
    "truncated": b'{"format":1,"state":"do',
    "foreign": b'{"Session": "b2f", "Flags": 0}',
    "foreign text": b"<html></html>",
    "list": b"[]",
    "newer": b'{"format":2,"writer":"cronguard 9.1"}',
    "bad value": b'{"format":1,"state":"asleep"}',
}


@pytest.fixture(params=UNREADABLE)
def unreadable(request, store):
    """A lease that this version cannot read."""
    record_file(store).write_bytes(UNREADABLE[request.param])
    return store


def test_an_unreadable_record_is_reported_and_neither_ignored_nor_changed(node, unreadable):
    before = content(unreadable)
    for options in ((), ANYWAY, ("--every-run",), ("--wait", "5"), ("--dry-run",)):
        told(
            node.run(*JOB, *options),
            78,
            "default/j (version 1)" if options != ("--dry-run",) else "default/j",
        )
    assert not node.has_run() and content(unreadable) == before


@pytest.mark.parametrize("command", ["unlock", "forget"])
def test_an_unreadable_record_is_not_removed_by_command_or_force(node, unreadable, command):
    before = content(unreadable)
    for force in ([], ["--force"]):
        told(node.call(command, *force, "--backend", f"dir:{unreadable}", "default/j"), 78, "default/j")
    assert content(unreadable) == before


def test_an_unreadable_record_is_shown_among_the_locks(node, unreadable):
    assert node.run("--name", "whole").returncode == 0
    shown = node.call("locks", "--all", "--json", "--backend", f"dir:{unreadable}")
    rows = {row["job"]: row for row in json.loads(shown.stdout)}
    assert (rows["default/j"]["state"], rows["default/whole"]["state"]) == ("unreadable", "done")
    assert "default/j" in rows["default/j"]["problem"]
    text = node.call("locks", "--backend", f"dir:{unreadable}").stdout
    assert "unreadable" in text and rows["default/j"]["problem"] in text


def test_a_record_of_a_newer_format_names_both_versions(node, store):
    record_file(store).write_bytes(UNREADABLE["newer"])
    told(node.run(*JOB), 78, "format 2", "cronguard 9.1", f"cronguard {__version__}")


def test_an_unreadable_record_leaves_the_other_jobs_alone(node, unreadable):
    assert node.run("--name", "k").returncode == 0 and node.has_run()


# A store with files that cronguard did not create


def a_file_for_the_tree(store):
    (store / "v1").write_text("precious")


def a_file_for_the_kind(store):
    (store / "v1").mkdir()
    (store / "v1/lease").write_text("precious")


def a_file_for_the_job(store):
    (store / "v1/lease/default").mkdir(parents=True)
    (store / "v1/lease/default/j").write_text("precious")


def a_file_for_a_version(store):
    (store / "v1/lease/default/j").mkdir(parents=True)
    (store / "v1/lease/default/j/00000000000000000003").write_text("precious")


def a_version_without_a_record(store):
    record_file(store, version=3)


def a_folder_for_the_record(store):
    record_file(store).mkdir()


@pytest.mark.parametrize("spoil", [
    a_file_for_the_tree, a_file_for_the_kind, a_file_for_the_job, a_file_for_a_version, a_version_without_a_record,
    a_folder_for_the_record,
])  # fmt: skip
def test_a_foreign_file_in_place_of_ours_is_refused_and_kept_and_nothing_runs(node, store, spoil):
    spoil(store)
    before = content(store)
    for options in ((), ANYWAY):
        told(node.run(*JOB, *options), 78, store)
        assert not node.has_run()
    assert content(store) == before


@pytest.mark.parametrize(
    "stranger", ["v1/lease/my job/x", "v1/lease/default/lost+found", "v1/lease/.snapshot/x", "v1/other/x/y"]
)
@pytest.mark.parametrize("is_folder", [True, False])
def test_a_foreign_file_beside_ours_does_not_matter(node, store, stranger, is_folder):
    path = store / stranger
    (path if is_folder else path.parent).mkdir(parents=True)
    is_folder or path.write_text("precious")
    assert node.run(*JOB).returncode == 0
    shown = node.call("locks", "--all", "--json", "--backend", f"dir:{store}")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "default/j" in [row["job"] for row in json.loads(shown.stdout)]
    assert path.exists()


@pytest.mark.parametrize("name", ["README", "lost+found", ".nfs000123", "v2"])
def test_a_store_may_have_other_files_at_its_top(node, store, name):
    (store / name).write_text("precious")
    assert node.run(*JOB).returncode == 0
    assert (store / name).read_text() == "precious"


# A store that is missing or forbidden


def test_a_missing_directory_is_reported_and_not_created(node, store):
    store.rmdir()
    told(node.run(*JOB), 69, store)
    assert not node.has_run() and not store.exists()


def test_a_missing_directory_is_reported_in_one_line_whatever_its_name(node, store):
    told(node.run(*JOB, f"--backend=dir:{store}/a\nb\x1b[2J"), 69)


def test_without_the_directory_the_command_runs_unguarded_on_request(node, store):
    store.rmdir()
    done = node.run(*JOB, *ANYWAY, command=["sh", "-c", "echo ${CRONGUARD_TOKEN-none}; exit 3"])
    assert (done.returncode, done.stdout) == (3, "none\n")
    assert done.stderr.startswith("cronguard: ") and "unguarded" in done.stderr and str(store) in done.stderr


def test_a_backend_that_is_a_file_is_reported(node, store):
    store.rmdir()
    store.write_text("precious")
    for options in ((), ANYWAY):
        told(node.run(*JOB, *options), 78, store)
    assert not node.has_run() and store.read_text() == "precious"


@pytest.mark.parametrize("mode", [0o500, 0o400, 0o000])
def test_a_directory_without_write_permission_is_forbidden_and_nothing_runs(node, store, mode):
    store.chmod(mode)
    for options in ((), ANYWAY):
        told(node.run(*JOB, *options, how=BOUND), 77, store)
    store.chmod(0o700)
    assert not node.has_run() and content(store) == {}


def test_a_directory_without_search_permission_is_forbidden_and_nothing_runs(node, store):
    inner = store / "inner"
    inner.mkdir()
    store.chmod(0)
    for options in ((), ANYWAY):
        told(node.run(*JOB, f"--backend=dir:{inner}", *options, how=BOUND), 77, inner)
    store.chmod(0o700)
    assert not node.has_run()


@pytest.mark.parametrize("where", ["record", "version"])
def test_a_record_without_read_permission_is_forbidden_and_nothing_runs(node, store, where):
    record_file(store).write_bytes(b"x")
    path = record_file(store) if where == "record" else record_file(store).parent
    path.chmod(0)
    for options in ((), ANYWAY):
        told(node.run(*JOB, *options, how=BOUND), 77, store)
    path.chmod(0o700)
    assert not node.has_run()


def test_a_user_with_read_permission_can_see_the_locks(node, store):
    assert node.run(*JOB).returncode == 0
    store.chmod(0o500)
    shown = node.call("locks", "--all", "--backend", f"dir:{store}", how=BOUND)
    store.chmod(0o700)
    assert shown.returncode == 0 and "default/j" in shown.stdout


def test_without_a_writable_state_directory_only_the_memory_of_the_node_is_lost(node):
    node.env["CRONGUARD_STATE_DIR"] = "/dev/null/state"
    assert node.run(*JOB).returncode == 0 and node.has_run()


def test_the_default_backend_needs_a_state_directory_and_reports_that(node):
    node.env["CRONGUARD_STATE_DIR"] = "/dev/null/state"
    done = node.run("--backend=local", *JOB)
    told(done, done.returncode, "/dev/null/state")
    assert done.returncode in (69, 77, 78) and not node.has_run()


# Unreachable: reported at the start of the outage, and then once an hour


def test_an_unreachable_backend_is_reported_once_an_hour_and_fails_each_time(node, store):
    store.rmdir()
    told(node.run(*JOB), 69, store)
    for _ in range(2):
        again = node.run("--name", "k")
        assert (again.returncode, again.stderr) == (69, "")
    [complaint] = (node.home / "state").glob("**/complaint/*")
    os.utime(complaint, (complaint.stat().st_mtime - 3601,) * 2)
    told(node.run(*JOB), 69, store)
    assert node.run(*JOB).stderr == ""


def test_another_unreachable_backend_is_reported_separately(node, store):
    store.rmdir()
    told(node.run(*JOB), 69, store)
    told(node.run(*JOB, f"--backend=dir:{store}-2"), 69, f"{store}-2")


def test_a_second_outage_of_a_backend_is_reported_again(node, store):
    store.rmdir()
    told(node.run(*JOB), 69, store)
    store.mkdir()
    assert node.run(*JOB).returncode == 0
    store.rename(store.parent / "elsewhere")
    told(node.run("--name", "k"), 69, store)


def test_a_verbose_run_reports_an_unreachable_backend_each_time(node, store):
    store.rmdir()
    told(node.run(*JOB), 69, store)
    told(node.run(*JOB, "-v"), 69, store)


def test_a_refused_store_is_reported_each_time(node, store):
    record_file(store).write_bytes(b"x")
    for _ in range(2):
        told(node.run(*JOB), 78)


# Clocks

SLICED = ("--schedule", "* * * * *", "--nodes", "2", "--index", "0")


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_out_of_bounds_is_reported_with_both_times_and_nothing_runs(node, store, seconds):
    for options in ((), ANYWAY):
        done = node.run(*JOB, *options, how=node.skewed(seconds))
        told(done, 78, "clock", "max_clock_skew")
        assert done.stderr.splitlines()[0].count("Z") >= 2
    assert not node.has_run() and content(store) == {}


def test_a_clock_that_is_behind_is_reported_and_not_superseded_for_ever(node, other):
    assert other.run(*JOB).returncode == 0
    told(node.run(*JOB, how=node.skewed(-86400)), 78, "clock")


@pytest.mark.parametrize("bound", ["off", "2h"])
def test_the_bound_of_the_clocks_is_a_setting(node, bound):
    done = node.run(*JOB, how=node.skewed(3600), env={"CRONGUARD_MAX_CLOCK_SKEW": bound})
    assert done.returncode == 0 and node.has_run()


@pytest.mark.parametrize("options", [(), ("--schedule", "0 5 * * *"), ("--strategy", "time-slice", *SLICED)])
@pytest.mark.parametrize("wall", [253402300800, 4e11, -86400])
def test_a_clock_whose_year_no_tick_can_tell_is_reported_and_the_store_is_left_alone(node, options, wall):
    node.run(*JOB, "--tick", "2026-01-01T00:00Z")
    before, _ = content(node.store), node.has_run()
    how = node.skewed(wall - time.time())
    done = node.run(*JOB, *options, how=how, env={"CRONGUARD_MAX_CLOCK_SKEW": "off"})
    told(done, 78, "is not between the years 1970 and 9999")
    assert not node.has_run() and content(node.store) == before


def test_a_clock_within_the_bound_does_not_matter(node):
    assert node.run(*JOB, how=node.skewed(200)).returncode == 0 and node.has_run()


def test_a_tick_too_far_ahead_is_reported_with_the_bound(node):
    told(node.run(*JOB, "--tick", "2099-01-01T00:00Z"), 64, "--tick: 2099-01-01T00:00Z", "300s")
    done = node.run(*JOB, "--tick", "2099-01-01T00:00Z", env={"CRONGUARD_MAX_CLOCK_SKEW": "off"})
    assert done.returncode == 0 and node.has_run()
