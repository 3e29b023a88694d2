"""Processes that the shell had started before it became cronguard: they are not the command's."""

import signal

import pytest
from members import Member
from processes import wait_until
from rig import shell


@pytest.fixture
def earlier(tmp_path):
    """A process that does not end until it is told to."""
    member = Member(tmp_path / "earlier")
    yield member
    member.tell_to_end()


def becoming(earlier):
    """Return a shell line that starts the process, then becomes its arguments."""
    return ("/bin/sh", "-c", f'{" ".join(earlier.command)} >/dev/null 2>&1 & exec "$@"', "sh")


def test_a_run_does_not_wait_for_them(cluster, earlier):
    done = cluster.run("--ttl", 5, *shell("echo hello; exit 3"), wrapped_by=becoming(earlier))
    assert (done.status, done.out) == (3, "hello\n")
    assert earlier.process().is_alive
    assert cluster.record().state == "failed"


def test_a_process_substitution_gets_all_output_and_the_run_ends(cluster, tmp_path):
    log = tmp_path / "log"
    line = f'exec "$@" > >(exec cat > {log})'
    done = cluster.run("--ttl", 5, *shell("echo hello"), wrapped_by=("/bin/bash", "-c", line, "bash"))
    assert (done.status, done.err) == (0, "")
    wait_until(lambda: log.exists() and log.read_text() == "hello\n", "the output")


def test_a_run_that_is_stopped_does_not_kill_them(cluster, earlier, tmp_path):
    own = Member(tmp_path / "own", "stubborn")
    done = cluster.run(
        "--timeout",
        1,
        "--kill-after",
        0.5,
        "--",
        *own.command,
        wrapped_by=becoming(earlier),
    )
    assert done.status == 124
    own.wait_until_gone()
    assert earlier.process().is_alive


def test_a_signal_reaches_the_command_and_its_status_comes_back(cluster, earlier):
    line = "trap 'exit 7' TERM; touch ready; while :; do sleep 0.05; done"
    run = cluster.start(*shell(line), wrapped_by=becoming(earlier))
    wait_until((cluster.root / "ready").exists, "the trap")
    run.send(signal.SIGTERM)
    assert run.end().status == 7
    assert earlier.process().is_alive


def test_the_death_of_the_process_that_cron_started_ends_the_command(cluster, earlier, tmp_path):
    own = Member(tmp_path / "own", "stubborn")
    run = cluster.start("--", *own.command, wrapped_by=becoming(earlier))
    own.process()
    run.send(signal.SIGKILL)
    own.wait_until_gone()
    assert earlier.process().is_alive
    assert cluster.record().state == "running"
