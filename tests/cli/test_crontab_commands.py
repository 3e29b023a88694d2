"""`cronguard crontab`: what it shows, what it writes, and what it leaves unchanged."""

import json
import os
import pty
import subprocess

import pytest
from nodes import PLAIN, told

OLD = "# caf\udce9\n0 3 * * * job > out\n@reboot warm\n0 4 * * * other".encode(errors="surrogateescape")
NEW = OLD.replace(b"job > out", b"cronguard run --ns web --name job --wrapped -c 'job > out'").replace(
    b"other", b"cronguard run --ns web --name other --wrapped -- other"
)
CRONTAB = """#!/bin/sh
case $1 in
-l) exec cat {table} ;;
-) cat > {table}.new; if grep -q BAD {table}.new; then echo "bad minute" >&2; exit 1; fi; mv {table}.new {table} ;;
esac
"""


@pytest.fixture
def table(node, tmp_path):
    """The user's own crontab, installed through a fake crontab command."""
    program, table = tmp_path / "bin/crontab", tmp_path / "table"
    program.parent.mkdir()
    program.write_text(CRONTAB.format(table=table))
    program.chmod(0o755)
    node.env["PATH"] = f"{program.parent}:/usr/bin:/bin"
    table.write_bytes(OLD)
    return table


@pytest.fixture
def crontab(node, table):
    """Call a command of `cronguard crontab`; its output is bytes."""

    def call(*argv, given=None, **more):
        streams = (
            {"text": False, "stdin": None}
            if given is None
            else {"text": False, "stdin": None, "input": given}
        )
        return node.call("crontab", *argv, **streams, **more)

    return call


def backups(node):
    folder = node.home / "state/backups"
    return [path.read_bytes() for path in folder.iterdir()] if folder.exists() else []


def test_wrap_shows_the_difference_and_changes_nothing(crontab, table, node):
    done = crontab("wrap", "--ns", "web")
    lines = done.stdout.splitlines()
    assert (done.returncode, table.read_bytes(), backups(node)) == (0, OLD, [])
    assert lines[:2] == [b"--- crontab", b"+++ crontab (new)"]
    assert b"-0 3 * * * job > out" in lines
    assert b"+0 3 * * * cronguard run --ns web --name job --wrapped -c 'job > out'" in lines
    assert lines.count(b"\\ No newline at end of file") == 2
    assert b"\x1b" not in done.stdout
    assert b"cronguard: crontab line 3: unchanged: @reboot" in done.stderr
    assert b"--write applies this" in done.stderr


def test_write_installs_the_crontab_and_keeps_the_old_one(crontab, table, node):
    done = crontab("wrap", "--ns", "web", "--write")
    assert (done.returncode, done.stdout, table.read_bytes(), backups(node)) == (0, b"", NEW, [OLD])
    assert b"crontab updated; the previous version is in " in done.stderr
    assert crontab("unwrap", "--write").returncode == 0
    assert table.read_bytes() == OLD


def test_a_crontab_that_is_wrapped_already_is_not_written_again(crontab, table, node):
    crontab("wrap", "--ns", "web", "--write")
    done = crontab("wrap", "--ns", "web", "--write")
    assert (done.returncode, table.read_bytes(), len(backups(node))) == (0, NEW, 1)
    assert b"nothing to change" in done.stderr


def test_standard_input_is_read_and_can_be_printed_whole(crontab, table):
    wrapped = crontab("wrap", "--ns", "web", "--print", "-", given=OLD)
    assert wrapped.stdout == NEW
    assert crontab("unwrap", "--print", "-", given=NEW).stdout == OLD
    assert table.read_bytes() == OLD


def test_standard_input_can_be_installed(crontab, table, node):
    assert crontab("wrap", "--ns", "web", "--write", "-", given=b"0 3 * * * job\n").returncode == 0
    assert b"--wrapped -- job\n" in table.read_bytes() and backups(node) == [OLD]


def test_a_file_is_replaced_in_place_with_its_mode_its_owner_and_its_links(crontab, tmp_path, node):
    file, link = tmp_path / "jobs", tmp_path / "link"
    file.write_bytes(OLD)
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 12345, 54321)
    link.symlink_to(file)
    before = file.stat()
    assert crontab("wrap", "--ns", "web", "--write", str(link)).returncode == 0
    after = file.stat()
    assert file.read_bytes() == NEW and link.is_symlink() and backups(node) == [OLD]
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_file_whose_copy_cannot_be_kept_is_not_changed(crontab, tmp_path, node):
    file = tmp_path / "jobs"
    file.write_bytes(OLD)
    (node.home / "state").mkdir()
    (node.home / "state/backups").touch()  # no directory for the copy
    done = crontab("wrap", "--write", str(file))
    assert (done.returncode, file.read_bytes()) == (78, OLD)
    assert b"hint: the crontab was not changed" in done.stderr


def test_a_crontab_that_cron_refuses_is_not_installed(crontab, table):
    table.write_bytes(b"0 3 * * * BAD\n")
    done = crontab("wrap", "--write")
    assert done.returncode == 78 and b"bad minute" in done.stderr
    assert table.read_bytes() == b"0 3 * * * BAD\n"


def test_several_files_are_processed_one_after_the_other(crontab, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"0 3 * * * job\n")
    done = crontab("wrap", str(tmp_path / "a"), str(tmp_path / "b"))
    assert done.stdout.count(b"+++ ") == 2 and done.stdout.count(b" --name job --") == 2


def test_in_one_namespace_no_two_files_use_the_same_job_name(crontab, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"0 3 * * * job\n")
    done = crontab("wrap", "--ns", "web", "--write", str(tmp_path / "a"), str(tmp_path / "b"))
    assert done.returncode == 0
    assert (
        b" --name job --" in (tmp_path / "a").read_bytes()
        and b" --name job-" in (tmp_path / "b").read_bytes()
    )
    assert crontab("check", str(tmp_path / "a"), str(tmp_path / "b")).returncode == 0


@pytest.mark.parametrize("options", [[], ["--system"]])
def test_a_crontab_with_users_is_recognised_or_given_by_an_option(crontab, tmp_path, options):
    (tmp_path / "jobs").write_bytes(b"0 3 * * *\troot\tjob\n0 4 * * * daemon job --all\n")
    done = crontab("wrap", "--ns", "web", *options, str(tmp_path / "jobs"))
    assert b"+0 3 * * *\troot\tcronguard run --ns web --name job-" in done.stdout


def test_a_word_that_is_also_a_users_name_is_a_command(crontab, tmp_path):
    (tmp_path / "jobs").write_bytes(b"0 3 * * * mail root\n")
    assert b"-- mail root" in crontab("wrap", str(tmp_path / "jobs")).stdout


@pytest.mark.parametrize(
    ("argv", "status", "value"),
    [
        (["wrap", "/no/such"], 78, "/no/such"),
        (["check", "/no/such"], 78, "/no/such"),
        (["wrap", "/"], 78, "/"),
        (["wrap", "-"], 64, "standard input is empty"),
        (["unwrap", "-"], 64, "standard input is empty"),
        (["wrap", "--ns", "a/b"], 64, "a/b"),
        (["wrap", "--no-such"], 64, "--no-such"),
        (["rewrap"], 64, "rewrap"),
    ],
)
def test_errors_of_the_crontab_commands_are_reported(node, table, argv, status, value):
    told(node.call("crontab", *argv), status, value)


def test_a_missing_crontab_is_reported(node, table):
    table.unlink()
    told(node.call("crontab", "wrap"), 78, "crontab -l")


def on_a_terminal(node, *argv, env=()):
    main, side = pty.openpty()
    env = {**node.env, "TERM": "xterm", **dict(env)}
    done = subprocess.run([*PLAIN, *argv], env=env, stdout=side, stderr=subprocess.DEVNULL, check=False)
    os.close(side)
    with open(main, "rb", buffering=0) as screen:
        return done.returncode, screen.read(100_000)


def test_on_a_terminal_the_difference_has_colours_unless_switched_off(node, table):
    assert b"\x1b[31m-0 3 * * * job > out\x1b[0m" in on_a_terminal(node, "crontab", "wrap")[1]
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert b"\x1b" not in on_a_terminal(node, "crontab", "wrap", env=env)[1]


def test_check_shows_what_is_guarded_and_its_status_is_0_if_all_is(crontab, table):
    assert crontab("check").returncode == 1
    table.write_bytes(NEW)
    done = crontab("check")
    assert done.returncode == 0
    assert [line.split()[1:4] for line in done.stdout.splitlines()[1:]] == [
        [b"2", b"guarded", b"web/job"], [b"3", b"left", b"alone"], [b"4", b"guarded", b"web/other"],
    ]  # fmt: skip


def test_check_has_these_keys_as_json(crontab):
    rows = json.loads(crontab("check", "--json").stdout)
    assert {tuple(sorted(row)) for row in rows} == {("crontab", "job", "line", "says", "state")}
    assert [row["state"] for row in rows] == ["not guarded", "left alone", "not guarded"]


def test_a_crontab_that_runs_nothing_has_no_problems(crontab, table):
    table.write_bytes(b"# nothing\nMAILTO=x\n")
    done = crontab("check")
    assert (done.returncode, done.stdout) == (0, b"no lines that run a command\n")


def test_the_mark_of_a_wrapped_line_has_no_effect_on_its_run(node):
    for mark in (["--wrapped"], ["--replaces", "flock -n /x "]):
        assert node.run("--name", "x", *mark, "--every-run").returncode == 0
        assert node.has_run()
