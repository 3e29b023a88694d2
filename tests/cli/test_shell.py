"""`cronguard-shell` as the SHELL of cron guards the line that it gets."""

import json
import os
import sys

import pytest
from nodes import told

SHELL = (sys.executable, "-c", "from cronguard.cli.shell import entry; entry()")
TICK = {"CRONGUARD_TICK": ""}


@pytest.fixture
def shell(node):
    """Call the shell of web1, or of another node, as cron does."""

    def call(*argv, by=node, env=(), **more):
        where = {"CRONGUARD_BACKEND": f"dir:{node.store}", "CRONGUARD_EVERY_RUN": "1"}
        return by.call(*argv, how=SHELL, env={**where, **dict(env)}, **more)

    return call


@pytest.fixture
def jobs(node):
    def ask():
        done = node.call("locks", "--all", "--json", "--backend", f"dir:{node.store}")
        return [row["job"] for row in json.loads(done.stdout)]

    return ask


def test_a_line_has_the_same_job_name_on_every_node(shell, jobs, other):
    assert shell("-c", "echo a && exit 3").returncode == 3
    assert shell("-c", "echo a && exit 3", by=other).stdout == "a\n"
    assert len(jobs()) == 1 and jobs()[0].startswith("default/app-echo-")


def test_another_line_is_another_job(shell, jobs):
    for line in ("echo a", "echo b", "echo  a"):
        shell("-c", line)
    assert len(jobs()) == 3


def test_one_tick_is_run_once(shell, other):
    minute = {"CRONGUARD_EVERY_RUN": "", "CRONGUARD_SCHEDULE": ""}
    line = "CRONGUARD_TICK=2026-01-01T00:00Z echo a"
    assert shell("-c", line, env=minute).stdout == "a\n"
    skipped = shell("-c", line, env=minute, by=other)
    assert (skipped.returncode, skipped.stdout, skipped.stderr) == (75, "", "")


def test_a_line_may_start_with_its_own_settings(shell, jobs):
    done = shell(
        "-c", "CRONGUARD_NAME=dump  CRONGUARD_NS=shop A=1 env | grep -c CRONGUARD_N[AS]", env={"A": "0"}
    )
    assert (jobs(), done.stdout) == (["shop/dump"], "0\n")


@pytest.mark.parametrize(
    "line",
    ["CRONGUARD_NAME=$X true", "CRONGUARD_NAME='a b' true", "CRONGUARD_NAME=x", "CRONGUARD_NAME=x;true"],
)
def test_an_assignment_that_a_shell_must_interpret_is_not_a_setting(shell, jobs, line):
    assert shell("-c", line).returncode == 0
    assert jobs() and "default/x" not in jobs()


def test_an_assignment_does_not_get_into_the_name(shell, jobs):
    shell("-c", "PASSWORD=s3cret true")
    assert "s3cret" not in jobs()[0] and jobs()[0].startswith("default/app-true-")


def test_the_namespace_and_the_rest_come_from_the_crontab(shell, jobs):
    shell("-c", "true", env={"CRONGUARD_NS": "billing"})
    assert jobs()[0].startswith("billing/")


@pytest.mark.parametrize("variable", ["NAME", "TICK", "SCHEDULE"])
def test_a_variable_of_one_line_is_refused_for_all_lines(shell, node, variable):
    done = shell("-c", f"touch {node.marker}", env={f"CRONGUARD_{variable}": "x"})
    told(done, 78, f"CRONGUARD_{variable}")
    assert not node.has_run()


def test_the_real_shell_runs_the_line_and_is_the_shell_of_the_job(shell, tmp_path):
    real = tmp_path / "real"
    real.write_text('#!/bin/sh\necho "$0 $1 $SHELL"\nexec /bin/sh "$@"\n')
    real.chmod(0o755)
    assert shell("-c", "echo b", env={"CRONGUARD_SHELL": str(real)}).stdout == f"{real} -c {real}\nb\n"
    assert shell("-c", "echo $SHELL", env={"SHELL": "/usr/bin/cronguard-shell"}).stdout == "/bin/sh\n"


def test_a_real_shell_that_is_missing_or_is_cronguard_shell_is_reported(shell):
    assert shell("-c", "true", env={"CRONGUARD_SHELL": "/no/such"}).returncode == 127
    told(shell("-c", "true", env={"CRONGUARD_SHELL": "/usr/bin/cronguard-shell"}), 78, "CRONGUARD_SHELL")
    told(shell("script", env={"CRONGUARD_SHELL": "/no/such"}), 126, "/no/such")


@pytest.mark.parametrize(
    "line",
    [
        "echo ${CRONGUARD_RUN:-none} # cronguard: skip",
        "cronguard() { echo ${CRONGUARD_RUN:-none}; }; cronguard",
        " ",
    ],
)
def test_a_line_that_is_marked_or_guards_itself_is_not_guarded(shell, jobs, tmp_path, line):
    program = tmp_path / "cronguard"
    program.write_text("#!/bin/sh\necho none\n")
    program.chmod(0o755)
    if "()" in line:
        line = f"{program} run --name x -- true"
    assert shell("-c", line).stdout.strip() in ("none", "")
    assert jobs() == []


def test_a_line_that_goes_on_after_its_own_guard_is_guarded(shell, node, jobs, tmp_path):
    program = tmp_path / "cronguard"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert shell("-c", f"{program} heartbeat && touch {node.marker}").returncode == 0
    assert node.has_run() and len(jobs()) == 1


def test_a_cron_that_a_job_has_restarted_does_not_run_its_lines_unguarded(shell, jobs):
    assert shell("-c", "true", env={"CRONGUARD_RUN": "x", "CRONGUARD_TOKEN": "7"}).returncode == 0
    assert len(jobs()) == 1


def test_with_other_arguments_it_becomes_the_real_shell(shell, jobs, tmp_path):
    (tmp_path / "script").write_text("echo script $1 $SHELL\n")
    assert shell(str(tmp_path / "script"), "a").stdout == "script a /bin/sh\n"
    assert shell("-c", "echo $0 $1", "b", "c").stdout == "b c\n"
    assert shell("-ec", "echo d").stdout == "d\n"
    assert shell(stdin=None, input="echo from standard input\n").stdout == "from standard input\n"
    assert jobs() == []


def test_with_an_unreachable_backend_the_line_does_not_run(shell, node, store):
    store.rmdir()
    told(shell("-c", f"touch {node.marker}"), 69, str(store))
    assert not node.has_run()


def test_input_reaches_the_line(shell):
    assert shell("-c", "cat", stdin=None, input="a\nb\n").stdout == "a\nb\n"
    assert os.environ.get("CRONGUARD_RUN") is None
