"""The documentation is true: its examples can be run, and do what they show."""

import re
import shlex
import shutil
import sqlite3
import subprocess

import pytest
from documents import CHECKOUT, blocks, blocks_in, exit_statuses, read, section

from cronguard.config.sources import load
from cronguard.crontab.wrap import Guarding, wrap
from cronguard.store.contract import SCHEMES

RUN_HERE = {"console", "sh", "toml", "sql", "crontab"}
NOT_RUN = {"shell", "text"}  # `shell` needs a fresh machine or changes this one
TAKES_THE_LOCK = "until cronguard locks | grep -q running; do sleep 0.1; done"


def exchanges(session):
    """Return the commands of a console session, each with the output shown for it."""
    return [tuple(part.partition("\n")[::2]) for part in f"\n{session}".split("\n$ ")[1:]]


def shape(output):
    """Return the text without its numbers and column widths, which differ from run to run."""
    timeless = re.sub(r"\b(\d+(\.\d+)?[dhms])+\b", "N", output)  # 2m59s becomes 3m a second later
    return re.sub(r"[ \n]+", " ", re.sub(r"\d+(\.\d+)?", "N", timeless)).strip()


def recorded(commands):
    """Return a script that saves the output of each command, and passes its status to the next."""
    lines = ["status=0"]
    for number, command in enumerate(commands):
        lines += ["(exit $status)", f"{{ {command}\n}} > {number}.out 2>&1", "status=$?"]
        if command.endswith("&"):
            lines.append(TAKES_THE_LOCK)
    return "\n".join([*lines, "kill $(jobs -p) 2> /dev/null", "wait"])


def schedule_lines(crontab):
    return [line for line in crontab.splitlines() if not re.match(r"[A-Z]+=", line)]


def guarded(line):
    """Return the command that cron gives to the shell, starting with `cronguard`, with --dry-run added."""
    command = re.split(r"(?<!\\)%", line)[0].replace(r"\%", "%")
    return "cronguard run --dry-run" + command.partition("cronguard run")[2]


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_the_language_of_every_block_shows_whether_it_can_be_run(name):
    assert {language for language, _ in blocks(name)} <= RUN_HERE | NOT_RUN


@pytest.mark.parametrize("session", blocks_in("README.md", "console"), ids=lambda text: text[2:40])
def test_a_session_prints_the_output_that_is_shown(session, shell, tmp_path):
    shown = exchanges(session)
    shell(recorded([command for command, _ in shown]))
    for number, (command, expected) in enumerate(shown):
        printed = (tmp_path / f"{number}.out").read_text()
        assert shape(printed) == shape(expected), command


@pytest.mark.parametrize("script", blocks_in("README.md", "sh"), ids=lambda text: text[:40])
def test_a_script_runs_as_written(script, shell):
    done = shell(f"set -e\n{script}")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_configuration_can_be_loaded_unchanged(tmp_path):
    for number, text in enumerate(blocks_in("README.md", "toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(text)
        found = load({}, str(path), {})
        assert (found.backend, found.ttl, found.backend_timeout) == ("dir:/shared/cronguard", 300, 20)


def test_a_database_refuses_an_old_token():
    make, claim = blocks_in("README.md", "sql")
    database = sqlite3.connect(":memory:")
    database.executescript(make)

    def changed(token):
        return database.execute(claim, {"job": "billing/charge", "token": token}).rowcount

    assert [changed(token) for token in (7, 7, 9, 8, 9)] == [1, 1, 1, 0, 1]


@pytest.mark.skipif(not shutil.which("crontab"), reason="needs cron")
def test_cron_accepts_the_crontabs(tmp_path):
    for text in blocks_in("README.md", "crontab"):
        (tmp_path / "crontab").write_text(text)
        checked = subprocess.run(
            ["crontab", "-n", tmp_path / "crontab"], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr


def test_the_guarded_crontab_guards_the_same_lines_and_names_each(shell):
    before, after, _ = map(schedule_lines, blocks_in("README.md", "crontab"))
    assert [line.split()[:5] for line in before] == [line.split()[:5] for line in after]
    for line in after:
        done = shell(guarded(line), SHELL="/bin/bash")
        assert "would run" in done.stdout, (line, done.stderr)
        assert "--name" in shlex.split(guarded(line))


def test_wrap_turns_the_plain_crontab_into_the_guarded_one():
    before, after, _ = blocks_in("README.md", "crontab")
    assert wrap(before, Guarding("/usr/local/bin/cronguard", "shop")).text == after


def test_the_exit_statuses_are_the_codes():
    rows = re.findall(r"^\| (\d+) \|", section("README.md", "## Exit statuses"), re.MULTILINE)
    assert sorted(map(int, rows)) == sorted(exit_statuses())


def test_every_backend_is_in_the_table():
    table = section("README.md", "## Choosing a backend")
    named = "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE))
    assert set(re.findall(r"`([\w+]+)[:`]", named)) == set(SCHEMES)


def test_the_debian_packages_are_the_ones_that_ci_installs():
    listed = (
        section("README.md", "## Try it and run the tests").partition(".ci/packages`:")[2].partition(". ")[0]
    )
    assert re.findall(r"`([\w-]+)`", listed) == read(".ci/packages").split()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_that_is_mentioned_exists(name):
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)", read(name), re.MULTILINE)) <= targets


def test_the_test_suites_match_the_table():
    named = set(re.findall(r"`tests/([a-z]\w*)`", read("CONTRIBUTING.md")))
    rooms = {path.parent.name for path in (CHECKOUT / "cronguard").glob("*/__init__.py")}
    suites = {path.name for path in (CHECKOUT / "tests").iterdir() if list(path.glob("*.py"))}
    assert named - rooms == suites - rooms
