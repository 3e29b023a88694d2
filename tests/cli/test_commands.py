import json
import os
import subprocess
import sys

import pytest
from nodes import PLAIN, content, record_file, told

from cronguard import __version__

KEYS = {
    "job", "state", "node", "pid", "user", "program", "token", "attempt", "ttl", "started", "ended", "status", "tick",
    "version", "age", "until",
}  # fmt: skip
JOB = ("--ns", "billing", "--name", "j")


@pytest.fixture
def ask(node):
    """Run a command line on the shared directory."""
    return lambda *argv, **more: node.call(*argv, "--backend", f"dir:{node.store}", **more)


@pytest.fixture
def rows(ask):
    return lambda *argv: json.loads(ask("locks", "--json", *argv).stdout)


@pytest.fixture
def held(other):
    """A job that web2 runs until its standard input is closed."""
    where = ("--backend", f"dir:{other.store}", "--ttl", "5s")
    with other.start("run", *where, *JOB, "--", "sh", "-c", "echo up; cat; echo down") as process:
        assert process.stdout.readline() == "up\n"
        yield process
        process.stdin.close()


# locks


def test_a_store_without_jobs_has_no_locks(ask, rows):
    assert (ask("locks").stdout, rows("--all")) == ("no locks\n", [])


def test_a_held_lock_is_shown_with_its_holder_and_how_to_clear_it(ask, held):
    text = ask("locks").stdout
    assert text.splitlines()[0].split() == ["JOB", "STATE", "NODE", "PID", "TICK", "SINCE", "UNTIL", "TOKEN"]
    assert {"billing/j", "running", "web2", str(held.pid)} <= set(text.split())
    assert text.splitlines()[-1] == "to stop a job and clear its lock: cronguard unlock billing/j"


def test_a_held_lock_is_shown_beside_a_record_that_cannot_be_read(ask, held, node):
    record_file(node.store).write_bytes(b"garbage")
    text = ask("locks").stdout
    assert "unreadable" in text and "cronguard unlock billing/j" in text


def test_a_held_lock_has_these_keys_as_json(rows, held):
    [row] = rows()
    assert set(row) == KEYS
    assert (row["job"], row["state"], row["node"], row["pid"]) == ("billing/j", "running", "web2", held.pid)
    assert (row["user"], row["program"], row["ttl"], row["attempt"], row["ended"]) == (
        "app",
        "sh",
        5.0,
        1,
        None,
    )
    assert row["until"] > row["started"]


def test_a_job_that_has_ended_is_shown_on_request_with_the_same_keys(node, rows):
    node.run(*JOB, "--tick", "2026-01-01T00:00Z", command=["sh", "-c", "exit 3"])
    assert rows() == []
    [row] = rows("--all")
    assert set(row) == KEYS
    assert (row["state"], row["status"], row["tick"], row["until"]) == (
        "failed",
        3,
        "2026-01-01T00:00Z",
        None,
    )
    assert row["ended"] >= row["started"]


def test_a_namespace_shows_only_its_own_jobs(node, rows):
    for ns in ("a", "ab", "b"):
        node.run("--ns", ns, "--name", "j")
    assert [row["job"] for row in rows("--all", "--ns", "a")] == ["a/j"]
    assert [row["job"] for row in rows("--all")] == ["a/j", "ab/j", "b/j"]


def test_the_arguments_of_a_command_are_stored_nowhere(node):
    assert node.run(*JOB, command=["sh", "-c", "exit 0", "s3cret-password"]).returncode == 0
    assert all(b"s3cret" not in data for data in (content(node.store) | content(node.home)).values())


# unlock and forget


def test_an_unlocked_job_is_stopped_and_may_run_again(node, ask, held, rows):
    told_ = ask("unlock", "billing/j")
    assert told_.returncode == 0 and f"web2 will stop it (pid {held.pid})" in told_.stdout
    assert held.wait() == 76
    assert [row["state"] for row in rows("--all")] == ["cancelled"]
    assert node.run(*JOB, "--tick", rows("--all")[0]["tick"]).returncode == 0


def test_a_job_that_was_freed_by_force_may_run_at_once_and_is_stopped_where_it_ran(node, ask, held):
    told_ = ask("unlock", "--force", "billing/j")
    assert told_.returncode == 0 and "two may run at once" in told_.stdout
    assert node.run(*JOB).returncode == 0
    assert held.wait() == 76


def test_unlocking_a_job_that_does_not_run_changes_nothing(node, ask):
    node.run(*JOB)
    before = content(node.store)
    done = ask("unlock", "billing/j")
    assert (done.returncode, done.stdout) == (0, "billing/j is not locked (last: done on web1)\n")
    assert content(node.store) == before


@pytest.mark.parametrize("command", ["unlock", "forget"])
def test_an_unknown_job_is_reported(ask, command):
    told(ask(command, "billing/none"), 64, "billing/none")
    told(ask(command, "--force", "none"), 64, "default/none")


def test_a_running_job_is_not_forgotten(ask, held, rows):
    told(ask("forget", "billing/j"), 75, "billing/j", "web2", held.pid)
    assert [row["state"] for row in rows()] == ["running"]


def test_a_forgotten_job_is_gone_and_starts_again_with_a_greater_token(node, ask, rows):
    node.run(*JOB)
    [before] = rows("--all")
    assert ask("forget", "billing/j").stdout == "billing/j is forgotten\n"
    assert rows("--all") == []
    told(ask("forget", "billing/j"), 64, "billing/j")
    assert node.run(*JOB, "--tick", before["tick"]).returncode == 0
    assert rows("--all")[0]["token"] > before["token"]


# run


def test_a_dry_run_prints_what_would_happen_and_does_nothing(node, other):
    free = node.run(*JOB, "--dry-run")
    assert (free.returncode, free.stderr) == (0, "")
    assert free.stdout.startswith("billing/j on web1: ") and "would run, attempt 1" in free.stdout
    assert not node.has_run() and content(node.store) == {}
    tick = ("--tick", "2026-01-01T00:00Z")
    other.run(*JOB, *tick)
    before = content(node.store)
    taken = node.run(*JOB, *tick, "--dry-run")
    assert taken.returncode == 75 and "already-ran: web2 ran tick 2026-01-01T00:00Z: done" in taken.stdout
    assert node.run(*JOB, *tick, "--dry-run", "-E", "0").returncode == 0
    assert not node.has_run() and content(node.store) == before


def test_a_dry_run_needs_its_program(node):
    told(node.run("--dry-run", command=["/no/such"]), 127, "/no/such")


def test_granted_and_skipped_runs_are_silent(node, other):
    tick = (*JOB, "--tick", "2026-01-01T00:00Z")
    granted, skipped = other.run(*tick), node.run(*tick)
    assert (granted.returncode, granted.stdout, granted.stderr) == (0, "", "")
    assert (skipped.returncode, skipped.stdout, skipped.stderr) == (75, "", "")
    assert not node.has_run()


@pytest.mark.parametrize("status", [0, 7, 255])
def test_a_skip_has_the_requested_status(node, other, status):
    tick = (*JOB, "--tick", "2026-01-01T00:00Z")
    other.run(*tick)
    assert node.run(*tick, "-E", str(status)).returncode == status


def test_a_verbose_run_reports_a_skip_in_one_line(node, other):
    tick = (*JOB, "--tick", "2026-01-01T00:00Z")
    other.run(*tick)
    told(node.run(*tick, "-v"), 75, "already-ran", "web2")


def test_each_run_warns_that_no_backend_is_configured_unless_told_not_to(node):
    for _ in range(2):
        done = node.call("run", "--name", "x", "--", "true")
        told(done, 0, "no backend is configured", 'backend = "dir:/shared/directory"')
    for silent in (["--backend", "local"], ["-q"]):
        assert node.call("run", "--name", "x", *silent, "--", "true").stderr == ""


def test_the_local_backend_refuses_a_list_of_nodes(node):
    told(node.call("run", "--nodes", "web1,web2", "--backend", "local", "--", "true"), 64, "--nodes")
    told(node.call("run", "--nodes", "web1,web2", "--", "true"), 64, "--nodes")
    told(node.call("run", "--strategy", "round-robin", "--", "true"), 64, "--strategy round-robin")
    told(node.call("run", "--strategy", "standby", "--", "true"), 64, "--strategy standby")


def test_time_slices_without_cover_need_no_shared_store(node):
    line = (
        "--strategy",
        "time-slice",
        "--schedule",
        "* * * * *",
        "--tick",
        "2026-01-01T00:00Z",
        "--nodes",
        "2",
    )
    ended = [
        node.call(
            "run", "--backend", "local", "--name", "j", *line, "--index", index, "--", "true"
        ).returncode
        for index in ("0", "1")
    ]
    assert sorted(ended) == [0, 75]
    told(
        node.call("run", "--backend", "local", *line, "--index", "0", "--cover", "--", "true"), 64, "--cover"
    )


def test_a_node_that_is_not_in_the_configuration_is_refused(node, tmp_path):
    (tmp_path / "c.toml").write_text(f'backend = "dir:{node.store}"\nnodes = ["web1", "web2"]\n')
    line = (
        "run",
        "--config",
        str(tmp_path / "c.toml"),
        "--strategy",
        "standby",
        "--nodes",
        "web1,wbe2",
        "--",
        "true",
    )
    told(node.call(*line), 64, "wbe2", "web1,web2")


def test_options_after_the_command_belong_to_the_command(node):
    done = node.call("run", "--backend", "local", "--name", "x", "echo", "--ttl", "-c", "--help", "--", "x")
    assert (done.returncode, done.stdout) == (0, "--ttl -c --help -- x\n")


def test_a_shell_line_is_run_whole_by_the_shell_that_cron_set(node):
    line = f"echo a && echo b > {node.home}/out | cat; exit 4"
    done = node.call("run", "--backend", "local", "-c", line)
    assert (done.returncode, done.stdout, (node.home / "out").read_text()) == (4, "a\n", "b\n")
    shell = node.home / "shell"
    shell.write_text('#!/bin/sh\necho "mine: $*"\n')
    shell.chmod(0o755)
    assert (
        node.call("run", "--backend", "local", "-c", "x y", env={"SHELL": str(shell)}).stdout
        == "mine: -c x y\n"
    )


def test_a_nested_run_inherits_no_settings_of_the_outer_one(node):
    inner = " ".join([*PLAIN, "run", "--backend", f"dir:{node.store}", "--name", "inner", "--", "env"])
    done = node.run(
        "--name", "outer", command=["sh", "-c", inner], env={"CRONGUARD_NAME": "x", "CRONGUARD_TTL": "60"}
    )
    told_ = dict(line.split("=", 1) for line in done.stdout.splitlines() if line.startswith("CRONGUARD_"))
    assert done.returncode == 0 and told_["CRONGUARD_JOB"] == "default/inner"
    assert not {"CRONGUARD_NAME", "CRONGUARD_TTL"} & set(told_)


# A machine that was frozen from the last check of the deadline until long after it.
LATE = """
import sys
from cronguard.system.clock import Clock
from cronguard.run.process import Process
release = Process.release
Process.release = lambda process, deadline: release(process, Clock().boot() - 1)
from cronguard.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_command_whose_deadline_has_passed_does_not_start(node):
    done = node.run(*JOB, "--ttl", "5", how=(sys.executable, "-c", LATE))
    assert done.returncode == 76 and not node.has_run()


# help and closed streams


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["-h"], ["run", "--help"], ["locks", "--help"], ["unlock", "--help"], ["forget", "--help"]],
)
def test_help_is_help(node, argv):
    done = node.call(*argv)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("Usage: cronguard")


def test_a_missing_command_is_a_usage_error_that_shows_the_help(node):
    done = node.call()
    assert done.returncode == 64 and "Usage: cronguard" in done.stderr and done.stdout == ""


def test_the_version_is_printed(node):
    done = node.call("--version")
    assert (done.returncode, done.stdout) == (0, f"cronguard, version {__version__}\n")


@pytest.mark.parametrize("argv", [["locks"], ["--help"], ["--version"], ["run", "--dry-run", "--", "true"]])
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_with_closed_streams_the_status_is_the_same(node, argv, closed):
    how = ("sh", "-c", f'exec "$@" {closed}', "sh", *PLAIN)
    done = node.call(*argv, how=how, env={"CRONGUARD_BACKEND": f"dir:{node.store}"})
    assert done.returncode == 0 and "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("options", [["--log", "stderr"], ["-v"], ["--backend=local"], []])
def test_with_closed_streams_the_command_runs(node, closed, options):
    how = ("sh", "-c", f'exec "$@" {closed}', "sh", *PLAIN)
    done = node.run(*options, command=["sh", "-c", f"touch {node.marker}; exit 3"], how=how)
    assert done.returncode == 3 and node.has_run()


@pytest.mark.parametrize("options", [["--log", "stderr"], ["-v"], []])
def test_a_stderr_that_is_full_does_not_keep_the_command_from_running(node, options):
    with open("/dev/full", "w", encoding="utf-8") as full:
        streams = {"stdout": subprocess.PIPE, "stderr": full, "capture_output": False}
        done = node.call(
            "run", "--name", "x", *options, "--", "sh", "-c", f"touch {node.marker}; exit 3", **streams
        )
    assert done.returncode == 3 and node.has_run()


def test_a_stderr_that_nobody_reads_does_not_keep_the_command_from_running(node):
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": writer, "capture_output": False}
    done = node.call("run", "--name", "x", "--", "sh", "-c", f"touch {node.marker}; exit 3", **streams)
    os.close(writer)
    assert done.returncode == 3 and node.has_run()


def test_with_a_closed_stderr_an_unreachable_backend_is_a_status_each_time(node, store):
    store.rmdir()
    how = ("sh", "-c", 'exec "$@" 2>&-', "sh", *PLAIN)
    assert [node.run(how=how).returncode for _ in range(2)] == [69, 69]


def test_output_that_cannot_be_written_is_not_reported_as_a_bug(ask):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = ask("locks", stdout=full, stderr=subprocess.PIPE, capture_output=False)
    told_ = done.stderr
    assert done.returncode not in (0, 70) and told_.startswith("cronguard: ") and "bug" not in told_


def test_a_reader_that_has_gone_is_not_reported_as_an_error(ask):
    reader, writer = os.pipe()
    os.close(reader)
    done = ask("locks", stdout=writer, stderr=subprocess.PIPE, capture_output=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
