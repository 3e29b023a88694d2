"""`cronguard history` as tables, JSON and pictures."""

import json
import os
import pty
import subprocess
from xml.etree import ElementTree as ET

import pytest
from nodes import PLAIN, told


@pytest.fixture
def ask(node):
    return lambda *argv, **more: node.call("history", *argv, "--backend", f"dir:{node.store}", **more)


@pytest.fixture
def past(node, other):
    """A job that two nodes have run, one of them with a failure, and another job."""
    node.run("--ns", "b", "--name", "j", "--tick", "2026-01-01T00:00Z")
    other.run("--ns", "b", "--name", "j", "--tick", "2026-01-01T00:05Z", command=["sh", "-c", "exit 3"])
    node.run("--ns", "c", "--name", "k", "--tick", "2026-01-01T00:00Z")


def test_runs_are_shown_in_a_table_with_a_picture_below(ask, past):
    lines = ask("b/j", env={"COLUMNS": "90"}).stdout.splitlines()
    assert lines[0].split() == ["TICK", "NODE", "STATE", "STATUS", "ATTEMPT", "STARTED", "TOOK"]
    assert lines[1].split()[:4] == ["2026-01-01T00:00Z", "web1", "done", "0"]
    assert lines[2].split()[:4] == ["2026-01-01T00:05Z", "web2", "failed", "3"]
    assert lines[4] == "b/j" and lines[6].split()[0] == "web1"


def test_all_jobs_or_those_of_a_namespace_are_shown(ask, past):
    assert {row["job"] for row in json.loads(ask("--json").stdout)} == {"b/j", "c/k"}
    assert {row["job"] for row in json.loads(ask("--json", "--ns", "c").stdout)} == {"c/k"}
    assert ask().stdout.split()[0] == "JOB"


def test_with_the_schedule_known_the_missed_ticks_are_shown(ask, past):
    rows = json.loads(
        ask("b/j", "--json", "--schedule", "*/5 * 1 1 *", "--timezone", "UTC", "--last", "3").stdout
    )
    assert len(rows) == 3 and {row["state"] for row in rows} == {"missed"}
    rows = json.loads(ask("b/j", "--json", "--schedule", "*/5 * 1 1 *", "--timezone", "UTC").stdout)
    assert [row["state"] for row in rows[:3]] == ["done", "failed", "missed"]


def test_a_picture_is_written_into_a_file_or_to_standard_output(ask, past, tmp_path):
    path = tmp_path / "picture.svg"
    assert ask("b/j", "--svg", str(path)).stdout == ""
    assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert ask("b/j", "--svg", "-").stdout == path.read_text()


def test_without_runs_there_is_nothing_to_show(ask):
    assert (ask().stdout, json.loads(ask("--json").stdout)) == ("no runs\n", [])


@pytest.mark.parametrize(
    ("argv", "status", "value"),
    [
        (["b/none"], 64, "b/none"),
        (["a b"], 64, "a b"),
        (["--ns", "a b"], 64, "a b"),
        (["--schedule", "* * * * *"], 64, "--schedule"),
        (["b/j", "--schedule", "never"], 64, "never"),
        (["b/j", "--last", "0"], 64, "--last"),
        (["b/j", "--svg", "/no/such/file"], 78, "/no/such/file"),
    ],
)
def test_a_history_that_cannot_be_shown_is_reported(ask, past, argv, status, value):
    told(ask(*argv), status, value)


def screen(node, columns, **env):
    main, side = pty.openpty()
    wanted = {"TERM": "xterm", "COLUMNS": str(columns), "LANG": "C.UTF-8", **env}
    command = [*PLAIN, "history", "--backend", f"dir:{node.store}", "b/j"]
    subprocess.run(command, env={**node.env, **wanted}, stdout=side, check=True)
    os.close(side)
    with open(main, "rb", buffering=0) as shown:
        return shown.read(100_000).decode()


def test_the_output_fits_the_terminal(node, past):
    assert "\x1b[32m●\x1b[0m" in screen(node, 120) and "STARTED" in screen(node, 120)
    narrow = screen(node, 50, NO_COLOR="1")
    assert "\x1b" not in narrow and "STARTED" not in narrow
    assert all(len(line) <= 50 for line in narrow.splitlines())


def test_without_a_locale_the_picture_is_ascii(node, past):
    shown = screen(node, 120, NO_COLOR="1", LC_ALL="C")
    assert shown.isascii() and "# done" in shown
