"""What is left when guard and keeper are killed in the same instant, and the next cronguard on the node that ends it."""

import os
import signal
import subprocess

import pytest
from members import Member
from processes import LIMIT, boot, wait_until
from rig import PROGRAM, tick

from cronguard.run import note as notes
from cronguard.run.leftovers import end_leftovers
from cronguard.system import proctree
from cronguard.system.clock import Clock, clock_name


@pytest.fixture
def members(tmp_path):
    """The two ends of a pipeline, which nothing but SIGKILL ends."""
    return Member(tmp_path / "first", "stubborn"), Member(tmp_path / "second", "stubborn")


@pytest.fixture
def pipeline(members):
    return " | ".join(" ".join(member.command) for member in members)


def kill_both(run):
    """Kill guard and keeper so fast that the keeper does nothing about the guard's death."""
    keeper = run.keeper()
    run.stop(keeper)
    run.send(signal.SIGKILL)
    keeper.send(signal.SIGKILL)
    wait_until(lambda: not keeper.is_alive, "the keeper's end")
    run.popen.wait()


def assert_goes_on(member):
    seen = member.last_seen
    wait_until(lambda: member.last_seen > seen, "a sign of life")


def test_the_next_run_of_any_job_ends_the_processes_of_a_dead_run(cluster, members, pipeline):
    run = cluster.start("--kill-after", 0.5, "--tick", tick(1), "-c", pipeline)
    for member in members:
        member.process()
    kill_both(run)
    for member in members:
        assert_goes_on(member)  # the kernel kills the shell with the guard, and nothing else
    other = cluster.run("-c", "echo ran", job="other")
    assert (other.status, other.out) == (0, "ran\n")
    assert "default/job: killed processes " in other.err
    for member in members:
        member.wait_until_gone()
    assert cluster.run("--tick", tick(2), "--", "true", job="third").err == ""


def test_a_dead_run_is_ended_before_its_own_next_tick_starts(cluster, members, pipeline):
    kill_after_start(cluster, members, pipeline)
    started = boot()
    cluster.run("--tick", tick(2), "--wait", "60", "--retry", "crashed", "--", "true")
    for member in members:
        member.wait_until_gone()
        assert member.last_seen < started + 30


def kill_after_start(cluster, members, pipeline):
    run = cluster.start("--ttl", 5, "--kill-after", 0.5, "--tick", tick(1), "-c", pipeline)
    for member in members:
        member.process()
    kill_both(run)


def test_a_heartbeat_ends_the_processes_of_a_dead_run(cluster, members, pipeline):
    kill_after_start(cluster, members, pipeline)
    words = [*PROGRAM, "heartbeat", "--backend", f"dir:{cluster.share}"]
    done = subprocess.run(
        words, env=cluster.env(), capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert "default/job: killed processes " in done.stderr
    for member in members:
        member.wait_until_gone()


def test_a_living_run_is_left_alone(cluster, members, pipeline):
    run = cluster.start("-c", pipeline)
    for member in members:
        member.process()
    assert cluster.run("--", "true", job="other").err == ""
    for member in members:
        assert_goes_on(member)
    assert run.popen.poll() is None


def test_a_run_whose_keeper_still_lives_is_the_keepers(cluster, members, pipeline):
    run = cluster.start("-c", pipeline)
    for member in members:
        member.process()
    keeper = run.keeper()
    run.stop(keeper)
    run.send(signal.SIGKILL)
    run.popen.wait()
    assert cluster.run("--", "true", job="other").err == ""
    for member in members:
        assert_goes_on(member)
    keeper.send(signal.SIGCONT)
    for member in members:
        member.wait_until_gone()


def test_a_daemon_of_a_dead_run_is_named_and_left_alone(cluster, tmp_path):
    daemon = Member(tmp_path / "daemon")
    run = cluster.start("-c", f"setsid {' '.join(daemon.command)} & sleep 600")
    daemon.process()
    kill_both(run)
    other = cluster.run("--", "true", job="other")
    assert other.status == 0
    assert f"default/job: processes {daemon.process().pid} of a killed run are daemons" in other.err
    assert daemon.is_alive
    daemon.tell_to_end()


@pytest.mark.parametrize(("field", "value"), [("boot", "another"), ("pids", "pid:[1]")])
def test_a_note_of_another_boot_or_pid_namespace_ends_nobody(tmp_path, field, value):
    member = Member(tmp_path / "bystander")
    pid = os.posix_spawn(member.command[0], member.command, {**os.environ, "CRONGUARD_RUN": "r1"})
    leader = proctree.stat(pid)
    note = notes.Note("default/job", "r1", leader, leader.session, 0.0, clock_name(), notes.pid_namespace())
    state = str(tmp_path / "state")
    for kept, ended in ((note._replace(**{field: value}), ()), (note, (pid,))):
        _, fd = notes.write(notes.folder_for(state), kept)
        os.close(fd)
        found = end_leftovers(state, Clock())
        assert tuple(one for each in found for one in each.ended) == ended
    os.waitpid(pid, 0)


def test_a_directory_that_another_user_could_have_made_is_not_used(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("open", "link"):
        with pytest.raises(PermissionError):
            notes._make_own(str(tmp_path / name), os.getuid())
    (tmp_path / "foreign").mkdir(0o700)
    with pytest.raises(PermissionError):
        notes._make_own(str(tmp_path / "foreign"), os.getuid() + 1)


def left_note(tmp_path, run="r1"):
    """Return a marked process, and the path of the note of a dead run of it."""
    member = Member(tmp_path / "left")
    pid = os.posix_spawn(member.command[0], member.command, {**os.environ, "CRONGUARD_RUN": run})
    leader = proctree.stat(pid)
    note = notes.Note("default/job", run, leader, leader.session, 0.0, clock_name(), notes.pid_namespace())
    path, fd = notes.write(notes.folder_for(str(tmp_path / "state")), note)
    os.close(fd)
    return pid, path


def test_a_note_is_kept_if_not_all_processes_could_be_looked_at(tmp_path, monkeypatch):
    """As after the lack of memory that killed guard and keeper: the next cronguard has to look again."""
    pid, path = left_note(tmp_path)
    state = str(tmp_path / "state")
    with monkeypatch.context() as refused:
        refused.setattr(proctree, "marked", lambda *_: ([], False))
        assert end_leftovers(state, Clock()) == []
    assert os.path.exists(path)
    [ended] = end_leftovers(state, Clock())
    assert ended.ended == (pid,) and not os.path.exists(path)
    os.waitpid(pid, 0)


def test_a_note_that_is_being_written_is_nobodys(tmp_path):
    folder = notes.folder_for(str(tmp_path / "state"))
    path = f"{folder}/r2{notes._NEW}"
    with open(path, "w"):
        assert notes.written(str(tmp_path / "state")) == []
    os.unlink(path)
