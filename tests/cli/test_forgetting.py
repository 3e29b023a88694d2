"""A forgotten job leaves only its token, which no listing shows, and which the next run exceeds: real processes."""

import json

import pytest
from nodes import content

JOB = ("--ns", "billing", "--name", "j")
PRINT_TOKEN = ["sh", "-c", "echo $CRONGUARD_TOKEN"]
BEHIND = -240.0  # seconds; the greatest difference that max_clock_skew allows is 300


@pytest.fixture(params=["dir", "file"])
def backend(request, node):
    return f"{request.param}:{node.store}"


@pytest.fixture
def ask(node, backend):
    return lambda *argv, **more: node.call(*argv, "--backend", backend, **more)


@pytest.fixture
def token(node, backend):
    """Run the job and return its token."""

    def run(**more):
        done = node.run(*JOB, f"--backend={backend}", command=PRINT_TOKEN, **more)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    return run


def written(node):
    return {name: data for name, data in content(node.store).items() if data}


def test_the_token_grows_after_forget_although_the_next_nodes_clock_is_behind(node, ask, token):
    before = token()
    assert ask("forget", "billing/j").returncode == 0
    assert token(how=node.skewed(BEHIND)) == before + 1


def test_the_token_grows_through_several_forgets(node, ask, token):
    tokens = [token()]
    for _ in range(3):
        assert ask("forget", "billing/j").returncode == 0
        tokens.append(token(how=node.skewed(BEHIND)))
    assert tokens == sorted(set(tokens))


def test_a_forgotten_job_is_in_no_listing(node, ask, token, backend):
    token()
    assert ask("forget", "billing/j").returncode == 0
    assert ask("locks", "--all").stdout == "no locks\n"
    assert json.loads(ask("locks", "--all", "--json").stdout) == []
    assert ask("history").stdout == "no runs\n"
    assert ask("history", "billing/j").returncode == 64
    assert json.loads(ask("queue", "--json").stdout) == []
    metrics = ask("metrics").stdout
    assert "cronguard_running{" not in metrics and "cronguard_last_start" not in metrics
    assert "cronguard_unreadable_records 0" in metrics
    findings = json.loads(ask("doctor", "--json").stdout)
    assert [one["what"] for one in findings if one["name"] == "records"] == ["0 jobs have a record"]
    completing = {
        "_CRONGUARD_COMPLETE": "bash_complete",
        "COMP_WORDS": "cronguard unlock b",
        "COMP_CWORD": "2",
        "CRONGUARD_BACKEND": backend,
    }
    assert node.call(env=completing).stdout.split() == []


def test_a_forgotten_job_is_unknown_and_asking_changes_nothing(node, ask, token):
    token()
    assert ask("forget", "billing/j").returncode == 0
    before = written(node)
    for command in (
        ["forget"],
        ["forget", "--force"],
        ["unlock"],
        ["unlock", "--force"],
        ["history"],
        ["pause"],
    ):
        assert ask(*command, "billing/j").returncode == 64, command
    assert written(node) == before


def test_a_dry_run_of_a_forgotten_job_says_that_it_never_ran(node, ask, token, backend):
    token()
    assert ask("forget", "billing/j").returncode == 0
    done = node.run(*JOB, f"--backend={backend}", "--dry-run")
    assert "free, never run" in done.stdout
