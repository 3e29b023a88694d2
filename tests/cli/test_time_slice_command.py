import os
import sys
import types

import click
import pytest
from click.testing import CliRunner

from cronguard.cli import time_slice
from cronguard.cli.common import program_for_cron
from cronguard.cli.time_slice import command
from cronguard.system.clock import Clock
from cronguard.system.errors import ConfigError, UsageError

CRONTAB = b"# caf\xe9\n*/10 * * * * job\n0 3 * * * night"
HALF_PAST_FIVE = 1795325400.0  # 2026-11-22T05:30Z; the number of this tick of */10 is odd


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def at_half_past_five(monkeypatch):
    monkeypatch.setattr(Clock, "wall", lambda _: HALF_PAST_FIVE + 61)
    monkeypatch.setattr(time_slice, "_started", lambda: HALF_PAST_FIVE + 60)


@pytest.fixture
def started(monkeypatch):
    calls = []

    def run_plain(argv, env, limit):
        calls.append((argv, env, limit))
        return 7

    monkeypatch.setitem(sys.modules, "cronguard.run.plain", types.SimpleNamespace(run_plain=run_plain))
    return calls


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Replace the crontab command by one that keeps its table in a file and refuses the word BAD."""
    table, program = tmp_path / "table", tmp_path / "crontab"
    program.write_text(
        f"""#!/bin/sh
case $1 in
-l) exec cat {table} ;;
-) cat > {table}.new; if grep -q BAD {table}.new; then echo "bad minute" >&2; exit 1; fi; mv {table}.new {table} ;;
esac
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return table


def slices(*words, given=b"", nodes="2", index="0"):
    return CliRunner().invoke(command, ["--nodes", nodes, "--index", index, *words], input=given)


def error_of(result, kind=UsageError):
    assert isinstance(result.exception, kind), result.exception
    return f"{result.exception} | {result.exception.hint}"


def test_a_schedule_alone_is_printed_as_this_nodes_share():
    assert slices("*/10 * * * *").output == "0,20,40 * * * *\n"
    assert slices("@hourly", index="1").output == "0 1-23/2 * * *\n"
    assert slices("*/20 * * * *").output == "0,40 0-22/2 * * *\n20 1-23/2 * * *\n"
    assert slices("--timezone", "Europe/Berlin", "@hourly").output == "0 */2 * * *\n"
    assert slices("CRON_TZ=Europe/Berlin @hourly").output == "0 */2 * * *\n"


def test_a_schedule_that_cron_cannot_split_is_an_error_that_shows_the_gate():
    said = error_of(slices("0 3 * * *", index="1"))
    assert "'0 3 * * *'" in said
    assert "cronguard time-slice --nodes 2 --index 1 --no-strict --schedule '0 3 * * *' -c" in said


@pytest.mark.parametrize("words", [["job"], ["--", "job", "x"], ["not a schedule"], ["-c", "job"]])
def test_a_command_without_a_slice_is_an_error_that_shows_the_options(words):
    assert "--schedule '*/10 * * * *' -- COMMAND" in error_of(slices(*words))


@pytest.mark.parametrize("words", [["--schedule", "@daily"], ["--slice", "10m"]])
def test_a_slice_without_a_command_is_an_error(words):
    assert "a command or -c" in error_of(slices(*words))


@pytest.mark.parametrize(
    "words",
    [
        ["--schedule", "@daily", "--slice", "10m", "job"],
        ["--slice", "10m", "-c", "line", "job"],
        ["--slice", "0.5", "job"],
        ["--slice", "ten", "job"],
        ["--schedule", "@sometimes", "job"],
        ["--schedule", "@daily", "--timezone", "Nowhere", "job"],
    ],
)
def test_senseless_options_are_refused(words, started):
    assert error_of(slices(*words))
    assert not started


@pytest.mark.parametrize("index", ["2", "999"])
def test_an_index_beyond_the_nodes_is_refused(index):
    assert "--index" in error_of(slices("--slice", "1m", "job", index=index))
    assert "--index" in error_of(slices("@daily", index=index))


@pytest.mark.parametrize("how", [["--schedule", "*/10 * * * *"], ["--slice", "10m"]])
def test_in_the_slice_of_this_node_the_command_runs_for_the_rest_of_it(how, at_half_past_five, started):
    result = slices(*how, "--", "job", "--nodes", "x", index="1")
    assert (result.exit_code, result.output) == (7, "")
    assert [(argv, limit) for argv, _, limit in started] == [(["job", "--nodes", "x"], 600.0 - 61)]


@pytest.mark.parametrize("how", [["--schedule", "*/10 * * * *"], ["--slice", "10m"]])
def test_in_the_slice_of_another_node_the_gate_prints_nothing_and_exits_75(how, at_half_past_five, started):
    result = slices(*how, "job", index="0")
    assert (result.exit_code, result.output, started) == (75, "", [])


def test_a_slice_that_is_not_strict_does_not_limit_the_command(at_half_past_five, started):
    slices("--no-strict", "--slice", "10m", "job", index="1")
    assert started[0][2] is None


def test_a_strict_slice_that_has_ended_before_the_command_starts_is_skipped(
    monkeypatch, at_half_past_five, started
):
    monkeypatch.setattr(Clock, "wall", lambda _: HALF_PAST_FIVE + 600)
    assert slices("--slice", "10m", "job", index="1").exit_code == 75
    assert slices("--slice", "10m", "--no-strict", "job", index="1").exit_code == 7


def test_the_slice_is_the_one_in_which_cronguard_was_started(monkeypatch):
    monkeypatch.setattr(Clock, "wall", lambda _: 1000.0)
    monkeypatch.setattr(Clock, "boot", lambda _: 500.0)
    monkeypatch.setattr("cronguard.system.clock.process_started", lambda _: 490.0)
    assert time_slice._started() == 990.0


def test_a_line_is_run_by_the_shell_that_cron_would_have_used(monkeypatch, at_half_past_five, started):
    monkeypatch.setenv("SHELL", "/bin/bash")
    slices("--slice", "10m", "-c", "a && b", index="1")
    monkeypatch.delenv("SHELL", raising=False)
    slices("--slice", "10m", "-c", "a && b", index="1")
    assert [argv for argv, *_ in started] == [["/bin/bash", "-c", "a && b"], ["/bin/sh", "-c", "a && b"]]


def test_a_crontab_on_standard_input_is_split_and_otherwise_unchanged(monkeypatch):
    monkeypatch.setattr(time_slice, "program_for_cron", lambda: "cronguard")
    assert slices(given=CRONTAB).stdout_bytes == (
        b"# caf\xe9\n# cronguard time-slice: */10 * * * * job\n0,20,40 * * * * job\n"
        b"# cronguard time-slice: 0 3 * * * night\n"
        b"0 3 * * * cronguard time-slice --nodes 2 --index 0 --no-strict --schedule '0 3 * * *' -c 'night'"
    )


def test_one_node_gets_the_originals_back():
    assert slices(given=slices(given=CRONTAB).stdout_bytes, nodes="1").stdout_bytes == CRONTAB


def test_the_gate_of_a_split_line_is_a_command_line_that_runs_the_line(
    monkeypatch, at_half_past_five, started
):
    import shlex

    gated = slices("--timezone", "Asia/Tokyo", given=b"0 3 * * * it's \\% x").output.split("\n")[1]
    words = shlex.split(gated.split(" * * * ")[1].split(" ", 1)[1].replace("\\%", "%"))
    assert words[0] == "time-slice"
    monkeypatch.delenv("SHELL", raising=False)
    CliRunner().invoke(command, [*words[1:4], str(int(words[4])), *words[5:]])
    CliRunner().invoke(command, [*words[1:4], "1", *words[5:]])
    assert started == [(["/bin/sh", "-c", "it's % x"], dict(os.environ), None)]


@pytest.mark.parametrize("found", ["/opt/cronguard/bin/cronguard", "/usr/local/bin/cronguard"])
def test_a_program_outside_of_crons_path_is_called_with_its_path(monkeypatch, found):
    monkeypatch.setattr("shutil.which", lambda _: found)
    assert program_for_cron() == found


@pytest.mark.parametrize(
    "found", ["/usr/bin/cronguard", "/bin/cronguard", None, "/home/o'neill/bin/cronguard"]
)
def test_otherwise_a_program_is_called_by_its_name(monkeypatch, found):
    monkeypatch.setattr("shutil.which", lambda _: found)
    assert program_for_cron() == "cronguard"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (CRONTAB + b"\nnot a line\n", ["--nodes", "2", "--index", "0"]),
        (CRONTAB, ["--nodes", "2", "--index", "2"]),
        (CRONTAB, ["--nodes", "0", "--index", "0"]),
        (CRONTAB, ["--nodes", "2"]),
        (CRONTAB, ["--nodes", "2", "--index", "0", "--wrong"]),
        (CRONTAB, ["--nodes", "2", "--index", "0", "--timezone", "Nowhere"]),
        (b"0 3 * * * root job\n", ["--nodes", "2", "--index", "0"]),
    ],
)
def test_on_any_error_the_crontab_is_printed_unchanged_and_the_status_is_not_0(given, words):
    result = CliRunner().invoke(command, words, input=given)
    assert result.exit_code != 0
    assert result.stdout_bytes == given


def test_a_usage_error_of_another_form_does_not_read_standard_input(monkeypatch):
    monkeypatch.setattr(time_slice, "_read", lambda: pytest.fail("it read"))
    for words in (
        ["--schedule", "@daily", "job"],
        ["--slice=5", "job"],
        ["*/5 * * * *"],
        ["@daily"],
        ["--", "x"],
    ):
        result = CliRunner().invoke(command, ["--nodes", "none", "--index", "0", *words])
        assert result.exit_code == click.UsageError.exit_code


def test_on_a_terminal_the_users_own_crontab_is_read(monkeypatch, installed):
    installed.write_bytes(CRONTAB)
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(isatty=lambda: True))
    assert time_slice._read() == CRONTAB


def test_write_installs_the_split_crontab_and_keeps_the_old_one(installed, tmp_path):
    installed.write_bytes(b"old\n")
    result = slices("--write", given=CRONTAB)
    assert (result.exit_code, result.stdout_bytes) == (0, b"")
    assert b"0,20,40 * * * * job" in installed.read_bytes()
    (backup,) = (tmp_path / "state/cronguard/backups").iterdir()
    assert str(backup) in result.stderr
    assert backup.read_bytes() == b"old\n"
    assert backup.stat().st_mode & 0o777 == 0o600


def test_a_first_crontab_needs_no_backup(installed, tmp_path):
    assert slices("--write", given=CRONTAB).stderr == ""
    assert installed.exists() and not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("given", "error"), [(b"", UsageError), (b"\n", UsageError), (b"0 3 * * * BAD\n", ConfigError)]
)
def test_a_crontab_is_not_replaced_by_mistake(installed, given, error):
    installed.write_bytes(b"old\n")
    assert error_of(slices("--write", given=given), error)
    assert installed.read_bytes() == b"old\n"


def test_a_system_crontab_is_split_but_not_installed(installed):
    assert b"root\tjob" in slices("--system", given=b"*/10 * * * * root\tjob\n").stdout_bytes
    assert "--system" in error_of(slices("--system", "--write", given=b"*/10 * * * * root job\n"))
