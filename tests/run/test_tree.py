"""Which processes belong to a run, and that none of them is left when the run must end."""

import os
import signal

import pytest
from members import HERE, PYTHON, Family, Member
from processes import LIMIT, boot, mentioning, wait_until, words
from rig import shell, tick

TTL = 5
STOP = ["--timeout", "1", "--kill-after", "1"]


def shell_words(member):
    return " ".join(member.command)


@pytest.fixture
def member(tmp_path):
    return Member(tmp_path / "member")


def assert_goes_on(cluster, run):
    """Assert that the run continues and renews its lease for longer than the ttl."""
    beat, began = cluster.record().beat, boot()
    wait_until(lambda: boot() > began + TTL + 1)
    assert run.popen.poll() is None
    assert cluster.record().state == "running"
    assert cluster.record().beat > beat


@pytest.mark.parametrize(
    "line",
    ["{} & exit 3", "( {} & ) & exit 3", "set -m; {} & exit 3", "{} & kill -KILL $$"],
    ids=["in the group", "orphaned", "in a group of its own", "its parent killed"],
)
def test_a_process_in_the_background_keeps_the_run_and_its_lease(cluster, member, line):
    run = cluster.start("--ttl", TTL, "-c", line.format(shell_words(member)), env={"SHELL": "/bin/bash"})
    member.process()
    assert_goes_on(cluster, run)
    member.tell_to_end()
    status = 3 if "exit" in line else 128 + signal.SIGKILL
    assert run.end() == (status, "", "")
    assert cluster.record().state == "failed"


def test_a_run_is_not_over_while_processes_hand_it_on_to_their_children(cluster, member):
    run = cluster.start("--ttl", LIMIT, "--", *PYTHON, HERE / "relay.py", *member.command)
    member.process()
    assert run.popen.poll() is None
    assert cluster.record().state == "running"
    member.tell_to_end()
    assert run.end() == (3, "", "")


@pytest.fixture
def headless(tmp_path):
    """A job whose first thread has ended: the process table shows it as a zombie, so no clean-up would find it."""
    member = Member(tmp_path / "member")
    member.command = list(map(str, [*PYTHON, HERE / "headless.py", member.file]))
    yield member
    member.tell_to_end()


def test_a_process_is_alive_although_its_first_thread_has_ended(cluster, headless):
    run = cluster.start("--ttl", LIMIT, "-c", f"{shell_words(headless)} & exit 3")
    wait_until(lambda: headless.process().state == "Z", "the end of its first thread")
    began, notes = boot(), len(headless.notes())
    wait_until(lambda: boot() > began + 1 and len(headless.notes()) > notes)
    assert run.popen.poll() is None
    assert cluster.record().state == "running"
    headless.tell_to_end()
    assert run.end() == (3, "", "")


def leave_daemon(member):
    """Return a shell line that ends when its daemon has started."""
    return f"setsid {shell_words(member)} > /dev/null 2>&1 & while ! test -s {member.file}; do sleep 0.05; done; exit 4"


def test_a_daemon_in_its_own_session_is_released_and_lives_on(cluster, member):
    assert cluster.run("-c", leave_daemon(member)) == (4, "", "")
    assert member.is_alive
    assert cluster.record().state == "failed"


def test_a_daemon_is_waited_for_if_requested(cluster, member):
    run = cluster.start("--ttl", TTL, "--daemons", "wait", "-c", leave_daemon(member))
    daemon = member.process()
    assert_goes_on(cluster, run)
    assert daemon.is_alive
    member.tell_to_end()
    assert run.end() == (4, "", "")


@pytest.mark.parametrize("behaviour", [[], ["stubborn"]], ids=["docile", "stubborn"])
def test_a_daemon_is_killed_if_requested(cluster, tmp_path, behaviour):
    member = Member(tmp_path / "member", *behaviour)
    options = ["--daemons", "kill", "--kill-after", "1"]
    assert cluster.run(*options, "-c", leave_daemon(member)) == (4, "", "")
    assert not member.is_alive
    assert cluster.record().state == "failed"


@pytest.mark.parametrize("daemons", ["release", "wait", "kill"])
@pytest.mark.parametrize("behaviour", [[], ["stubborn"]], ids=["docile", "stubborn"])
def test_a_run_that_is_stopped_leaves_no_process_wherever_it_hides(cluster, tmp_path, behaviour, daemons):
    family = Family(tmp_path / "family", *behaviour)
    run = cluster.start("--timeout", "4", "--kill-after", "1", "--daemons", daemons, "--", *family.command)
    family.wait_until_complete()
    assert run.end().status == 124
    assert family.alive() == []
    assert cluster.record().state == "timed-out"


def test_stopped_processes_are_killed_too(cluster, tmp_path):
    family = Family(tmp_path / "family", "stubborn")
    run = cluster.start("--timeout", "4", "--kill-after", "1", "--", *family.command)
    family.wait_until_complete()
    for member in family.members.values():
        member.process().send(signal.SIGSTOP)
    assert run.end().status == 124
    assert family.alive() == []


def test_a_stopped_process_receives_the_request_to_end(cluster):
    run = cluster.start(
        *STOP[:2], "--kill-after", "25", "-c", "trap 'echo asked; exit 0' TERM; kill -STOP $$"
    )
    assert run.end()[:2] == (124, "asked\n")


def test_a_nested_run_ends_with_the_outer_run(cluster, tmp_path):
    member = Member(tmp_path / "member", "stubborn")
    inner = cluster.command("--", *member.command, job="inner")
    run = cluster.start("--timeout", "3", "--kill-after", "1", "--", *inner, job="outer")
    member.process()
    assert run.end().status == 124
    wait_until(lambda: not member.is_alive, "the end of the inner job")
    wait_until(lambda: not cluster.left(), "the end of all")


@pytest.mark.parametrize("kind", ["multiply", "hop"])
def test_processes_that_fork_faster_than_the_table_is_read_do_not_escape(cluster, tmp_path, kind):
    run = cluster.start(*STOP, "--", *PYTHON, HERE / "stormy.py", tmp_path, kind)
    wait_until((tmp_path / "began").exists, "the storm")
    assert run.end().status == 124
    assert [seen for seen in cluster.left() if seen.pid != run.pid] == []


def test_the_next_run_does_not_start_before_the_last_process_of_this_one_is_gone(cluster, tmp_path):
    last, next_ = Member(tmp_path / "last"), Member(tmp_path / "next")
    first = cluster.start("--tick", tick(1), "-c", f"{shell_words(last)} & exit 0")
    last.process()
    waiting = cluster.start("--tick", tick(2), "--wait", 4 * LIMIT, "--", *next_.command, node="n2")
    waiting.keeper()
    began = boot()
    wait_until(lambda: boot() > began + 1)
    last.tell_to_end()
    assert first.end() == (0, "", "")
    next_.process()
    assert last.last_seen < next_.first_seen
    next_.tell_to_end()
    assert waiting.end() == (0, "", "")


def test_a_process_born_before_its_parent_became_a_daemon_keeps_the_run_going(cluster, tmp_path):
    """It is then a child of the daemon, but still in the run's process group."""
    line = f"(while [ ! -e {tmp_path}/end ]; do sleep 0.1; done & exec setsid sleep 600.25 > {os.devnull} 2>&1) & sleep 0.3"
    run = cluster.start(*shell(line))
    cluster.wait_for_state("running")
    daemon = wait_until(
        lambda: [p for p in mentioning("600.25") if words(p.pid)[:1] == ["sleep"]], "the daemon"
    )[0]
    began = boot()
    wait_until(lambda: boot() > began + 2)
    assert run.popen.poll() is None
    (tmp_path / "end").touch()
    assert run.end().status == 0
    daemon.send(signal.SIGKILL)
