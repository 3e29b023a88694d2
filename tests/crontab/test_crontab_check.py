import crontabs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronguard.crontab.check import GUARDED, PROBLEM, UNGUARDED, check, check_all
from cronguard.crontab.wrap import Guarding, wrap

AT = "0 3 * * * "


def problems(command):
    return [found.says for found in check(AT + command) if found.state == PROBLEM]


def states(text, **more):
    return [found.state for found in check(text, **more)]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("cronguard run -- a", "no --name"),
        ("cronguard run --name x -- a && b", "'&&' is outside the guard"),
        ("cronguard run --name x -- a; b", "';' is outside"),
        ("cronguard run --name x -- a | b", "'|' is outside"),
        ("cronguard run --name x a > b", "> b is outside the guard: every node truncates the file"),
        ("cronguard run --name x -- a 2>b", "every node truncates"),
        ("cronguard run --name x -- a &> b", "every node truncates"),
        ("cronguard run --name x -c 'a > $(date +%F)'", "unescaped %"),
        ("cronguard run --name x -- date +%F", "unescaped %"),
        ("a > $(date +%F)", "unescaped %"),
        ("sleep 5; cronguard run --name x -- a", "starts late: add --schedule '0 3 * * *'"),
        (
            "cronguard run --name x --schedule '0 4 * * *' -- a",
            "'0 4 * * *' differs from the line's schedule",
        ),
        ("cronguard run --name x -- a " + "b" * 990, "1018 bytes"),
        ("a" * 999, "999 bytes"),
    ],
)
def test_a_problem_is_reported(command, says):
    assert [says in problem for problem in problems(command)] == [True]


@pytest.mark.parametrize(
    "command",
    [
        "cronguard run --name x -- a", "cronguard run --ns n --name=x -c 'a && b > c; d | e'", "cronguard run --name x -- a > /dev/null 2>&1",
        "cronguard run --name x -- a >> log", "cronguard run --name x -- a%in%put", "cd /x && cronguard run --name x -- a",
        "sleep 5; cronguard run --name x --schedule '0  3 * * *' -- a", "cronguard run --name x -- a 'b; c > d'", "a \\% b", "a%in",
        "cronguard run --name x -c 'sleep 5; a'",
    ],
)  # fmt: skip
def test_a_correct_command_has_no_problem(command):
    assert problems(command) == []


def test_each_line_is_guarded_or_alone_or_not_guarded():
    text = """MAILTO=x
0 1 * * * a
# cronguard: skip
0 1 * * * b
@reboot c
0 1 * * * cronguard run --ns n --name d -- d
* * * * * cronguard heartbeat
0 1 * *
SHELL=/usr/bin/cronguard-shell
0 2 * * * e
0 3 * * * f # cronguard: skip"""
    assert [(found.line, found.state) for found in check(text)] == [
        (2, "not guarded"), (4, "left alone"), (5, "left alone"), (6, "guarded"), (7, "left alone"), (8, "problem"), (10, "guarded"),
        (11, "left alone"),
    ]  # fmt: skip


def test_a_job_is_shown_in_the_namespace_of_its_line_or_of_the_crontab():
    text = "0 1 * * * cronguard run --name a -- a\nCRONGUARD_NS=n\n0 1 * * * cronguard run --name b -- b\n0 1 * * * cronguard run --ns m --name c -- c"
    assert [found.job for found in check(text)] == ["a", "n/b", "m/c"]


def test_a_second_line_with_the_same_name_is_a_problem_in_one_crontab_or_in_two():
    a, b, c = (
        f"0 3 * * * cronguard run {which} -- a" for which in ("--name a", "--ns n --name a", "--name a")
    )
    found = check_all([("x", f"{a}\n{b}\n{c}", False), ("y", c, False)])
    assert [(title, says.line, says.state) for title, says in found] == [
        ("x", 1, GUARDED), ("x", 2, GUARDED), ("x", 3, GUARDED), ("x", 3, PROBLEM), ("y", 1, GUARDED), ("y", 1, PROBLEM),
    ]  # fmt: skip
    assert found[-1][1].says.startswith("x line 1 has the same name")


@pytest.mark.parametrize(
    ("command", "state"),
    [
        ("cronguard heartbeat", "left alone"),
        ("/usr/bin/cronguard heartbeat > /dev/null 2>&1", "left alone"),
        ("cronguard heartbeat && payroll", "not guarded"),
        ("bash -c 'cronguard run --name a -- b; payroll'", "not guarded"),
        ("grep cronguard /var/log/syslog", "not guarded"),
        ("cronguard heartbeat && payroll # cronguard: skip", "left alone"),
    ],
)
def test_a_line_that_runs_only_cronguard_is_left_alone(command, state):
    assert states(AT + command) == [state]


@pytest.mark.parametrize("name", ["NAME", "TICK", "SCHEDULE"])
def test_a_variable_that_would_make_all_lines_one_job_is_a_problem(name):
    assert states(f"CRONGUARD_{name}=x\n") == [PROBLEM]


@pytest.mark.parametrize("name", crontabs.NAMES)
def test_lines_that_wrap_writes_have_no_problem(name):
    system = crontabs.is_system(name)
    before = {
        (found.line, found.says)
        for found in check(crontabs.read(name), system=system)
        if found.state == PROBLEM
    }
    text = wrap(crontabs.read(name), Guarding(ns="web", system=system)).text
    for found in check(text, system=system):
        assert found.state != PROBLEM or (found.line, found.says) in before or "unescaped" in found.says, (
            found
        )


def test_wrap_is_suggested_only_for_lines_that_it_can_guard():
    assert [found.state for found in check("0 3 * * * a\n0~9 3 * * * b")] == [UNGUARDED, UNGUARDED]
    assert "wrap" in check("0 3 * * * a")[0].says and "wrap" not in check("0~9 3 * * * a")[0].says


@given(st.text(alphabet="ab \t'\"\\%$();&|><#*0cronguard run--name-c\udce9"), st.booleans())
def test_any_line_can_be_checked(line, system):
    for found in check(AT + line, system=system):
        assert found.line == 1
