"""A command under cronguard behaves as if cron had started it: the same status, no output of ours, its own options."""

import json
import os
import signal

import pytest
from members import PYTHON, Member
from processes import boot
from rig import shell, tick


@pytest.mark.parametrize("status", [0, 1, 2, 69, 75, 76, 124, 126, 127, 128, 255])
def test_the_commands_own_status_is_the_runs(cluster, status):
    assert cluster.run(*shell(f"exit {status}")) == (status, "", "")
    record = cluster.record()
    assert (record.state, record.status) == ("failed" if status else "done", status)


@pytest.mark.parametrize(
    "name", ["TERM", "KILL", "SEGV", "INT", "HUP", "QUIT", "ABRT", "PIPE", "USR1", "ALRM"]
)
def test_a_command_killed_by_a_signal_ends_the_run_with_128_and_the_signals_number(cluster, name):
    number = getattr(signal, f"SIG{name}")
    assert cluster.run(*shell(f"ulimit -c 0; kill -{name} $$")) == (128 + number, "", "")
    assert cluster.record().state == "failed"


def test_success_and_skip_are_silent(cluster):
    ticks = ["--tick", tick(1)]
    assert cluster.run(*ticks, "--", "true") == (0, "", "")
    assert cluster.run(*ticks, "--", "true", node="n2") == (75, "", "")
    assert cluster.run("--tick", tick(0), "--", "true", node="n2") == (75, "", "")


def test_a_skip_gives_its_reason_with_verbose(cluster):
    cluster.run("--tick", tick(1), "--", "true")
    skipped = cluster.run("--tick", tick(1), "-v", "--", "true", node="n2")
    assert skipped.err == f"cronguard: skipped default/job, already-ran: n1 ran tick {tick(1)}: done\n"


@pytest.mark.parametrize("status", [0, 1, 99])
def test_the_user_may_choose_the_status_of_a_skip(cluster, status):
    ticks = ["--tick", tick(1)]
    cluster.run(*ticks, "--", "true")
    assert cluster.run(*ticks, "-E", status, "--", "true", node="n2") == (status, "", "")
    by_variable = {"CRONGUARD_SKIP_STATUS": str(status)}
    assert cluster.run(*ticks, "--", "true", node="n2", env=by_variable) == (status, "", "")


def test_a_whole_shell_line_is_guarded_with_its_redirects(cluster, tmp_path):
    line = 'test -d / && echo "$CRONGUARD_NODE" > winner'
    ticks = ["--tick", tick(1)]
    assert cluster.run(*ticks, "-c", line, node="n1") == (0, "", "")
    assert cluster.run(*ticks, "-c", line, node="n2") == (75, "", "")
    assert (tmp_path / "winner").read_text() == "n1\n"


def test_a_shell_line_is_run_by_the_shell_of_the_crontab(cluster, tmp_path):
    mine = tmp_path / "mysh"
    mine.write_text('#!/bin/sh\necho "mine: $*"\n')
    mine.chmod(0o755)
    assert cluster.run("-c", "a  b | c", env={"SHELL": str(mine)}).out == "mine: -c a  b | c\n"


@pytest.mark.parametrize("unset", [["env", "-u", "SHELL"], ["env", "SHELL="]])
def test_a_shell_line_is_run_by_sh_if_no_shell_is_named(cluster, unset):
    done = cluster.run("-c", "readlink /proc/$$/exe", wrapped_by=unset)
    assert done == (0, f"{os.path.realpath('/bin/sh')}\n", "")


def test_options_end_at_the_first_word_of_the_command(cluster):
    words = ["echo", "--ns", "y", "-c", "-E", "0", "--ttl", "1", "--", "-v", "--help"]
    expected = " ".join(words[1:]) + "\n"
    assert cluster.run("--tick", tick(1), *words) == (0, expected, "")
    assert cluster.run("--tick", tick(2), "--", *words) == (0, expected, "")
    assert cluster.record().job == "default/job"


def test_arguments_arrive_as_they_are(cluster):
    odd = ["", " ", "a b", "*", "$HOME", "'", '"', "\\", "\n", "é", "\udcff", "--", "%"]
    echo = [*PYTHON, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", *odd]
    assert json.loads(cluster.run("--", *echo).out) == odd


def script(path, text, mode=0o755):
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_script_without_an_interpreter_line_is_run_by_sh(cluster, tmp_path):
    odd = script(tmp_path / "script", 'echo "$0 $1 $(readlink /proc/$$/exe)"\n')
    assert cluster.run("--", odd, "word").out == f"{odd} word {os.path.realpath('/bin/sh')}\n"


def assert_not_taken(cluster, *program, status):
    done = cluster.run("--tick", tick(1), "--", *program, node="n1")
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith("cronguard: ") and len(done.err.splitlines()) == 2, done.err
    assert cluster.run("--tick", tick(1), "--", "true", node="n2") == (0, "", "")


@pytest.mark.parametrize("program", ["no-such-program", "./no-such-program", "/no/such/program"])
def test_a_program_that_is_missing_is_127_and_leaves_the_tick_to_a_node_that_has_it(cluster, program):
    assert_not_taken(cluster, program, status=127)


def test_a_program_that_cannot_be_executed_is_126_and_leaves_the_tick(cluster, tmp_path):
    assert_not_taken(cluster, script(tmp_path / "program", "echo no", 0o644), status=126)


def test_a_directory_is_126_and_leaves_the_tick(cluster):
    assert_not_taken(cluster, "/etc", status=126)


def test_a_script_whose_interpreter_is_missing_is_127_and_leaves_the_tick(cluster, tmp_path):
    assert_not_taken(cluster, script(tmp_path / "program", "#!/no/such/interpreter\n"), status=127)


def test_a_program_is_looked_up_in_the_path_as_a_shell_does(cluster, tmp_path):
    for folder, mode in (("a", 0o644), ("b", 0o755)):
        (tmp_path / folder).mkdir()
        script(tmp_path / folder / "tool", f"#!/bin/sh\necho {folder}\n", mode)
    path = {"PATH": f"{tmp_path}/none:{tmp_path}/a:{tmp_path}/b:{os.environ['PATH']}"}
    assert cluster.run("--", "tool", env=path) == (0, "b\n", "")


def test_a_timeout_kills_a_command_that_will_not_stop(cluster, tmp_path):
    member = Member(tmp_path / "member", "stubborn")
    began = boot()
    done = cluster.run("--timeout", "1", "--kill-after", "1", "--", *member.command)
    assert not member.is_alive
    assert boot() >= began + 2
    assert (done.status, done.out) == (124, "")
    assert done.err == "cronguard: default/job: timed-out: it ran for 1s\n"
    assert (cluster.record().state, cluster.record().status) == ("timed-out", 124)


def test_a_timeout_asks_the_command_to_stop_before_it_kills_it(cluster, tmp_path):
    done = cluster.run(
        "--timeout", "1", "--kill-after", "25", "-c", "trap 'echo asked; exit 0' TERM; sleep 99 & wait"
    )
    assert (done.status, done.out) == (124, "asked\n")


def test_a_timeout_does_not_affect_a_command_that_finishes_in_time(cluster):
    assert cluster.run("--timeout", "600", *shell("exit 4")) == (4, "", "")
