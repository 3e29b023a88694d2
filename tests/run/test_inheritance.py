"""A command under cronguard inherits all that cron would have given it: streams, environment, surroundings."""

import os
import resource
import signal
import subprocess

import pytest
from portrait import Portrait
from processes import LIMIT, wait_until, words
from rig import shell, tick

SLEEP = ["/bin/sleep", "1000"]


def plain(tmp_path, **popen):
    """Start the command as cron would without us; return its portrait."""
    process = subprocess.Popen(SLEEP, cwd=tmp_path, **popen)
    try:
        wait_until(lambda: words(process.pid)[:1] == SLEEP[:1], "the exec")
        return Portrait.of(process.pid)
    finally:
        process.kill()
        process.wait()


def compare(cluster, **popen):
    """Start the command without and with us; return both portraits."""
    env = {**cluster.env(), **popen.pop("env", {})}
    run = cluster.start("--", *SLEEP, env=env, **popen)
    guarded = Portrait.of(run.job().pid)
    return plain(cluster.root, env=env, **popen), guarded


def unusual():
    """Make this process differ from an ordinary one in everything that a child inherits."""
    os.umask(0o027)
    os.nice(5)
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_CORE, (0, 4096))
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
    for signum in (signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR2, signal.SIGTTOU, signal.SIGRTMIN):
        signal.signal(signum, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGWINCH, signal.SIGALRM})


@pytest.mark.parametrize("prepare", [None, unusual])
def test_the_command_inherits_everything_that_it_would_inherit_without_cronguard(cluster, prepare, tmp_path):
    with (tmp_path / "in").open("w+") as in_, (tmp_path / "out").open("a") as out:
        streams = dict(stdin=in_, stdout=out, stderr=subprocess.DEVNULL)
        without, guarded = compare(cluster, preexec_fn=prepare, **streams)
    for field in set(Portrait._fields) - {"environment"}:
        assert getattr(guarded, field) == getattr(without, field), field


def test_streams_are_the_very_same_pipes_and_no_descriptor_is_added_or_lost(cluster):
    ours, theirs = os.pipe()
    os.dup2(theirs, 77)
    pipe = os.readlink("/proc/self/fd/77")
    streams = dict(stdin=ours, stdout=theirs, stderr=theirs, pass_fds=[77])
    try:
        without, guarded = compare(cluster, **streams)
    finally:
        for fd in (ours, theirs, 77):
            os.close(fd)
    assert guarded.descriptors == without.descriptors
    assert {fd: where for fd, (where, _) in guarded.descriptors.items()} == dict.fromkeys((0, 1, 2, 77), pipe)


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1, 2]])
def test_a_stream_that_was_closed_stays_closed(cluster, closed):
    def close():
        for fd in closed:
            os.close(fd)

    without, guarded = compare(
        cluster,
        preexec_fn=close,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert guarded.descriptors == without.descriptors


ADDED = {b"CRONGUARD_RUN", b"CRONGUARD_TOKEN", b"CRONGUARD_JOB", b"CRONGUARD_RUN_TICK"}
SETTINGS = {
    "CRONGUARD_NS": "billing",
    "CRONGUARD_TTL": "100",
    "CRONGUARD_WAIT": "1",
    "CRONGUARD_TIMEOUT": "500",
    "CRONGUARD_KILL_AFTER": "2",
    "CRONGUARD_RETRY": "never",
    "CRONGUARD_SKIP_STATUS": "3",
    "CRONGUARD_LOG_FORMAT": "json",
    "CRONGUARD_EVERY_RUN": "1",
    "CRONGUARD_QUIET": "1",
    "CRONGUARD_NAME": "theirs",
    "CRONGUARD_TICK": tick(1),
}


@pytest.mark.parametrize("language", [{"LANG": "C.UTF-8"}, {}], ids=["with a language", "as bare as cron's"])
def test_the_environment_is_ours_without_our_settings_and_with_the_variables_of_the_run(cluster, language):
    wanted = {"PATH": "/usr/bin:/bin", "HOME": "/nowhere", "EMPTY": "", "ODD": "\udcff\n=", **language}
    wanted |= {name: value for name, value in cluster.env().items() if name.startswith("CRONGUARD_")}
    wanted |= {name: value for name, value in os.environ.items() if name == "PYTHONPATH"}
    given = (f"{name}={value}" for name, value in {**wanted, **SETTINGS}.items())
    command = ["/usr/bin/env", "-i", *given]
    run = cluster.start("--", *SLEEP, wrapped_by=command)
    environment = Portrait.of(run.job().pid).environment
    added = {name: environment.pop(name, None) for name in ADDED}
    assert environment == {os.fsencode(name): os.fsencode(value) for name, value in wanted.items()}
    record = cluster.record("billing/job")
    assert added == {
        b"CRONGUARD_RUN": record.run.encode(),
        b"CRONGUARD_TOKEN": str(record.token).encode(),
        b"CRONGUARD_JOB": b"billing/job",
        b"CRONGUARD_RUN_TICK": tick(1).encode(),
    }


def test_the_command_has_its_own_group_in_the_session_it_would_have_had(cluster):
    run = cluster.start("--", *SLEEP, start_new_session=True)
    job = run.job()
    assert (job.group, job.session, job.parent) == (job.pid, run.pid, run.pid)


def test_the_keeper_holds_nothing_of_its_caller(cluster, tmp_path):
    """Cron reads its pipe to the end: a keeper stuck on storage must not hold it open."""
    ours, theirs = os.pipe()
    with (tmp_path / "file").open("w") as file:
        run = cluster.start("--", *SLEEP, stdout=theirs, stderr=theirs, pass_fds=[file.fileno()])
        run.job()
        keeper = Portrait.of(run.keeper().pid)
    os.close(ours)
    os.close(theirs)
    targets = {fd: where for fd, (where, _) in keeper.descriptors.items()}
    assert [targets.pop(fd) for fd in (0, 1, 2)] == ["/dev/null"] * 3
    assert keeper.folder == "/"
    note, link = sorted(targets.values())
    assert note.startswith("/run/") and "cronguard" in note
    assert link.startswith("socket:")


def test_the_command_gets_the_stdin_that_cron_provides(cluster):
    run = cluster.start(*shell("cat; echo done"), stdin=subprocess.PIPE)
    out, err = run.popen.communicate("line 1\nline 2\n", timeout=LIMIT)
    assert (out, err, run.popen.returncode) == ("line 1\nline 2\ndone\n", "", 0)


def test_a_skipped_run_and_the_guard_leave_stdin_to_the_next_reader(cluster, tmp_path):
    (tmp_path / "in").write_text("first\nsecond\n")
    with (tmp_path / "in").open() as file:
        assert cluster.run("--tick", tick(1), "--", "true", stdin=file).status == 0
        assert cluster.run("--tick", tick(1), "--", "cat", stdin=file, node="n2") == (75, "", "")
        assert cluster.run("--tick", tick(2), "--", "cat", stdin=file).out == "first\nsecond\n"
