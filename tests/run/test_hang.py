"""Storage that does not answer: runs that must not wait for it do not, and at most one process gets stuck."""

import signal
import subprocess

import pytest
from fusefs import Fault
from members import HERE, PYTHON, Member
from processes import LIMIT, boot, wait_until, words
from rig import PROGRAM, tick

from cronguard.store.gate import Gate
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

TTL = 5
ALL = Fault("*", "hang")
GIVEN_UP = 5  # seconds: long enough for a busy machine to reach the call that hangs


def no_answer(cluster):
    return f"cronguard: the backend dir:{cluster.share} has not answered for {GIVEN_UP}s\n"


@pytest.fixture
def member(tmp_path):
    return Member(tmp_path / "member", "stubborn")


def stuck(cluster):
    """Return the PIDs of cronguard processes that are left over."""
    return [seen.pid for seen in cluster.left() if "cronguard" in words(seen.pid)]


def test_a_claim_on_hung_storage_exits_69_in_time_and_later_claims_do_not_queue_behind_it(
    mounted, mount, tmp_path
):
    assert mounted.run("--tick", tick(0), "--", "true") == (0, "", "")
    mount.faults.set(ALL)
    began = boot()
    first = mounted.run("--tick", tick(1), "--backend-timeout", GIVEN_UP, "-c", "touch ran")
    assert (first.status, first.out) == (69, "")
    assert first.err.startswith(no_answer(mounted)), first.err
    assert boot() < began + LIMIT
    left = stuck(mounted)
    assert len(left) == 1
    for number, job in [(1, "job"), (2, "job"), (3, "job"), (1, "other")]:
        began = boot()
        options = ["--tick", tick(number), "--backend-timeout", 10 * LIMIT]
        assert mounted.run(*options, "-c", "touch ran", job=job) == (69, "", "")
        assert boot() < began + LIMIT, "it waited for storage that is known to hang"
        assert stuck(mounted) == left
    mount.faults.clear()
    wait_until(lambda: not stuck(mounted), "the end of the process that hung")
    assert not (tmp_path / "ran").exists()
    assert mounted.run("--tick", tick(4), "-c", "touch ran") == (0, "", "")
    assert (tmp_path / "ran").exists()


def test_runs_that_start_while_the_first_still_waits_do_not_get_stuck_in_the_kernel_too(mounted, mount):
    mount.faults.set(ALL)
    runs = [mounted.start("--backend-timeout", GIVEN_UP, "--", "true", job=f"job{n}") for n in range(5)]
    assert [run.end().status for run in runs] == [69] * 5
    assert len(stuck(mounted)) == 1


def test_a_reader_of_a_commands_output_is_released_when_the_storage_hangs(mounted, mount):
    """As in `cronguard locks | less`: the child that is stuck in the kernel must not hold the pipe open."""
    mount.faults.set(ALL)
    look = [*PROGRAM, "locks", "--backend", f"dir:{mounted.share}", "--backend-timeout", "1"]
    piped = subprocess.run(
        ["sh", "-c", '"$@" | cat', "sh", *look], env=mounted.env(), timeout=LIMIT, check=False
    )
    assert piped.returncode == 0


def test_a_run_whose_turn_comes_late_is_not_given_up_while_others_get_answers(cluster):
    """As the last of many jobs that start on the hour, each of which takes some time to log in."""
    gate = Gate(StateDir(f"{cluster.root}/state", "n1"), f"dir:{cluster.share}", LIMIT, Clock())
    gate.enter()
    run = cluster.start("--backend-timeout", 2, "--", "true")
    for _ in range(5):
        answered = boot()
        wait_until(lambda at=answered: boot() > at + 0.8)
        gate.leave()
        gate.enter()
    assert run.popen.poll() in (None, 0)
    gate.leave()
    assert run.end() == (0, "", "")


def test_runs_do_not_queue_behind_a_hung_process_whose_guard_was_killed(mounted, mount):
    mount.faults.set(ALL)
    first = mounted.start("--", "true")
    wait_until(mount.faults.has_hung, "the hang")
    first.send(signal.SIGKILL)
    left = wait_until(lambda: stuck(mounted), "what is left")
    for _ in range(2):
        assert mounted.run("--backend-timeout", GIVEN_UP, "--", "true").status == 69
        assert stuck(mounted) == left


def test_a_hang_is_reported_once_in_crons_mail_and_each_time_with_verbose(mounted, mount):
    mount.faults.set(ALL)
    options = ["--backend-timeout", GIVEN_UP]
    assert mounted.run(*options, "--", "true").err.startswith(no_answer(mounted))
    assert mounted.run(*options, "--", "true") == (69, "", "")
    told = mounted.run(*options, "-v", "--", "true").err.splitlines()
    assert told[0].startswith("cronguard: the backend does not answer: process ")
    assert told[1].startswith("hint: ") and len(told) == 2


@pytest.mark.parametrize("call", ["readdir", "mkdir", "create", "write", "fsync", "rename", "fsyncdir"])
def test_a_claim_exits_69_at_whatever_step_the_storage_hangs(mounted, mount, call):
    assert mounted.run("--tick", tick(0), "--", "true") == (0, "", "")
    mount.faults.set(Fault(call, "hang"))
    done = mounted.run("--tick", tick(1), "--backend-timeout", GIVEN_UP, "--ttl", TTL, "--", "true")
    assert done.status == 69
    assert len(stuck(mounted)) <= 1
    again = mounted.run("--tick", tick(2), "--backend-timeout", GIVEN_UP, "--ttl", TTL, "--", "true")
    assert again.status == 69
    assert len(stuck(mounted)) <= 1
    mount.faults.clear()
    wait_until(lambda: not stuck(mounted), "the end of the process that hung")
    record = mounted.record()
    if record.is_running:  # the claim was published after all, but nothing runs it: others notice by watching
        assert mounted.run("--tick", tick(3), "--wait", LIMIT, "--", "true") == (0, "", "")
    else:
        assert mounted.run("--tick", tick(3), "--", "true") == (0, "", "")


def test_the_user_may_prefer_an_unguarded_run_to_no_run(mounted, mount):
    mount.faults.set(ALL)
    line = 'echo "token: $CRONGUARD_TOKEN"; exit 3'
    done = mounted.run("--backend-timeout", GIVEN_UP, "--if-unavailable", "run", "-c", line)
    assert (done.status, done.out) == (3, "token: \n")
    assert "running unguarded" in done.err


@pytest.mark.parametrize("daemons", ["wait", "kill"])
def test_a_keeper_that_is_stuck_is_not_a_daemon_of_the_unguarded_command(mounted, mount, daemons):
    mount.faults.set(ALL)
    options = ["--backend-timeout", GIVEN_UP, "--if-unavailable", "run", "--daemons", daemons]
    done = mounted.run(*options, "-c", "echo ran")
    assert (done.status, done.out) == (0, "ran\n")
    assert "running unguarded" in done.err
    assert len(stuck(mounted)) == 1


def test_a_guard_does_not_wait_for_a_state_directory_on_the_storage_that_hangs(mounted, mount, tmp_path):
    state = {"CRONGUARD_STATE_DIR": str(tmp_path / "mnt" / "state")}
    assert mounted.run("--tick", tick(0), "--", "true", env=state).status == 0
    member = Member(tmp_path / "member", "stubborn")
    run = mounted.start("--ttl", TTL, "--tick", tick(1), "--", *member.command, env=state)
    member.process()
    mount.faults.set(ALL)
    done = run.end()
    assert done.status == 76
    assert "lost: the lease could not be renewed in time" in done.err


@pytest.mark.parametrize("call", ["*", "rename", "fsync"])
def test_when_storage_hangs_during_a_run_the_job_is_dead_before_its_ttl_ends(mounted, mount, member, call):
    run = mounted.start("--ttl", TTL, "--tick", tick(1), "--", *member.command)
    member.process()
    mount.faults.set(Fault(call, "hang"))
    done = run.end()
    assert not member.is_alive
    assert (done.status, done.out) == (76, "")
    assert "lost: the lease could not be renewed in time" in done.err
    assert member.last_seen < mounted.last_renewal("n1") + TTL
    assert len(stuck(mounted)) == 1
    mount.faults.clear()
    wait_until(lambda: not stuck(mounted), "the end of the process that hung")
    heir = mounted.run("--tick", tick(2), "--wait", LIMIT, "--", "true", node="n2")
    assert heir == (0, "", "")


def test_a_renewal_whose_reply_comes_after_the_deadline_does_not_bring_the_run_back(mounted, mount, member):
    run = mounted.start("--ttl", TTL, "--", *member.command)
    member.process()
    beat = mounted.record().beat
    mount.faults.set(Fault("rename", "hang-after"))
    wait_until(lambda: not member.is_alive, "the end of the job")
    assert mounted.versions()[-1].beat > beat  # the renewal was published, but its answer has not arrived
    mount.faults.clear()
    assert run.end().status == 76


def test_a_renewal_that_is_done_while_the_job_is_asked_to_stop_does_not_bring_the_run_back(
    mounted, mount, tmp_path
):
    heard = tmp_path / "heard"
    listener = [*PYTHON, HERE / "listener.py", heard]
    run = mounted.start("--ttl", "24", "--kill-after", "10", "--", *listener)
    wait_until(lambda: heard.exists() and "listening" in heard.read_text(), "the listener")
    beat = mounted.record().beat
    mount.faults.set(Fault("rename", "hang"))
    wait_until(lambda: "TERM" in heard.read_text(), "the request to stop")
    mount.faults.clear()
    wait_until(lambda: mounted.versions()[-1].beat > beat, "the renewal")
    assert run.end().status == 76
    assert mounted.record().state == "lost"


def test_a_hang_that_passes_before_the_deadline_costs_nothing(mounted, mount, member):
    run = mounted.start("--ttl", LIMIT, "--", *member.command)
    member.process()
    mount.faults.set(ALL)
    began = boot()
    wait_until(lambda: boot() > began + 2)
    mount.faults.clear()
    beat = mounted.record().beat
    wait_until(lambda: mounted.record().beat > beat, "a renewal", 2 * LIMIT)
    member.tell_to_end()
    assert run.end() == (0, "", "")


@pytest.mark.parametrize("status", [0, 5])
def test_a_hang_while_the_outcome_is_written_keeps_the_commands_status_and_is_reported(
    mounted, mount, tmp_path, status
):
    member = Member(tmp_path / "member")
    line = f"{' '.join(member.command)}; exit {status}"
    run = mounted.start("--backend-timeout", GIVEN_UP, "-c", line)
    member.process()
    mount.faults.set(ALL)
    member.tell_to_end()
    done = run.end()
    assert (done.status, done.out) == (status, "")
    assert "its outcome could not be written to the backend" in done.err
    assert len(done.err.splitlines()) == 1
    assert len(stuck(mounted)) == 1


def test_the_guards_death_kills_the_job_even_if_the_keeper_hangs(mounted, mount, member):
    run = mounted.start("--ttl", 10 * LIMIT, "-c", f"setsid {' '.join(member.command)} & wait")
    member.process()
    began = boot()
    wait_until(lambda: boot() > began + 5)  # for the keeper's look at the tree
    mount.faults.set(ALL)
    run.guard.send(signal.SIGKILL)
    member.wait_until_gone()
