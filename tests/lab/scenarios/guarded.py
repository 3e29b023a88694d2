"""cronguard's promises on real machines: every scenario runs on `dir:` and `file:` side by side."""

import os
import re
import sys
import time

from intervals import disorder, ticks

from cronguard.doctor.chain import chain_faults
from cronguard.doctor.contender import end_of, read_attempts
from scenarios.contest import (
    BACKENDS,
    TTL,
    check,
    check_the_next_tick,
    hold,
    line,
    make_stores,
    successions,
    tick,
)

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(os.path.dirname(HERE))
sys.path.append(f"{TESTS}/store")

from fuzz_worker import KEY  # noqa: E402 - from the store's test suite

WORKER = f"{TESTS}/store/fuzz_worker.py"
FUZZ_ATTEMPTS = 40  # per process; a fork and exec takes 50 ms on a node, a version 15 ms
TAKEOVER = TTL + 1 + 2  # the ttl, the margin for unequal clocks, and two seconds to check and to start


def the_chain_of_versions_never_forks(cluster):
    """The fuzz test of the backends' conformance suite: three processes on each of three nodes publish one entry."""
    make_stores(cluster)
    for scheme, url in BACKENDS.items():
        os.mkdir(f"{cluster.folder}/{scheme}")
        results = cluster.everywhere(_fuzz(url, f"/run/lab/{scheme}"), timeout=240)
        assert [result.status for result in results] == [0, 0, 0], results
        # Each node has its own nanosecond clock, so the times cannot be compared.
        attempts = [a._replace(began=0, ended=None) for a in read_attempts(f"{cluster.folder}/{scheme}")]
        assert len(attempts) == 9 * FUZZ_ATTEMPTS
        assert [a for a in attempts if a.answer not in ("published", "none")] == []
        version, data = cluster.clients[0].check(f"$PYTHON {HERE}/latest.py {url} {KEY}").split(" ", 1)
        assert chain_faults(attempts, end_of(data, int(version))) == []
        assert (
            int(version) >= FUZZ_ATTEMPTS
        )  # a process that writes over the latest version without competition succeeds


def _fuzz(url, logs):
    contend = f"$PYTHON {WORKER} swap {url} {logs} $NODE-$n {FUZZ_ATTEMPTS} </dev/null"
    return f'for n in 1 2 3; do {contend} & all="$all $!"; done; for one in $all; do wait $one || exit; done'


def each_tick_runs_once(cluster):
    """Cron on three nodes whose clocks are 20 s apart starts a job that takes a second: five ticks, five runs."""
    make_stores(cluster)
    cluster.next_minute_in(26, offsets=(-20, 0, 20))
    for client in cluster.clients:
        client.cron("".join(f"* * * * * {line(scheme)} 2>>/run/lab/$(hostname).log\n" for scheme in BACKENDS))
    time.sleep(26 + 4 * 60 + 20 + 12)
    runs = ticks(cluster.runs())
    assert len(runs) == 5 * len(BACKENDS), list(runs)
    assert all(len(of_tick) == 1 for of_tick in runs.values()), list(map(str, cluster.runs()))
    check(cluster)


def a_dead_node_is_followed(cluster):
    """The holder's machine dies during the job: one waiting node takes over, the other learns that the job was done."""
    contest = hold(cluster)
    crashed = time.time()
    contest.holder.crash()
    for old, new in successions(cluster):
        assert new.start - crashed < TAKEOVER, f"{old}, then {new}"
    assert sorted(command.wait(60).status for command in contest.waiting) == sorted([0, 75] * len(BACKENDS))
    check(cluster)


def a_partitioned_holder_stops_first(cluster):
    """The holder loses the network: its job is dead before the next one starts."""
    contest = hold(cluster)
    contest.holder.cut()
    successions(cluster)
    check(cluster)
    assert [command.wait(60).status for command in contest.held] == [76] * len(BACKENDS)
    contest.holder.mend()
    check_the_next_tick(cluster)


def a_frozen_server_stops_the_jobs(cluster):
    """The server is frozen for longer than the ttl: no job outlives the ttl, nothing piles up, and all recovers."""
    contest = hold(cluster)
    visitor = contest.waiters[1]
    assert _processes(visitor) >= 2 * len(
        BACKENDS
    )  # a check that guards and keepers of the waiting runs are counted
    frozen = time.time()
    cluster.server.freeze()
    late = []
    for _ in range(3):
        late += [visitor.start(line(scheme, f"--tick {tick()} --backend-timeout 5")) for scheme in BACKENDS]
        time.sleep(15)
    assert all(run.end - frozen < TTL for run in cluster.runs()), list(map(str, cluster.runs()))
    assert [command.wait(30).status for command in late] == [69] * len(late)
    processes = _processes(visitor)
    cluster.server.thaw()
    assert processes <= 4 * len(BACKENDS), processes
    assert [command.wait(90).status for command in contest.held] == [76] * len(BACKENDS)
    for command in contest.waiting:
        command.wait(90)
    check_the_next_tick(cluster)
    check(cluster)


def _processes(node):
    return int(node.run("pgrep -fc 'python.* -m cronguard'").output)


def a_job_outlives_the_server(cluster):
    """The server dies and comes back within the ttl: the job does not notice."""
    make_stores(cluster)
    held = [cluster.clients[0].start(line(scheme, ttl=90, seconds=45)) for scheme in BACKENDS]
    time.sleep(15)
    cluster.server.reboot()
    assert [command.wait(120).status for command in held] == [0] * len(BACKENDS)
    assert len(cluster.runs()) == len(BACKENDS)
    check_the_next_tick(cluster)
    check(cluster)


def a_frozen_holder_gives_way(cluster):
    """The holder's whole machine is frozen beyond the ttl: its job ends within a second of waking."""
    contest = hold(cluster)
    contest.holder.freeze()
    successions(cluster)
    thawed = time.time()
    contest.holder.thaw()
    assert [command.wait(60).status for command in contest.held] == [76] * len(BACKENDS)
    for old, _ in successions(cluster):
        assert old.marks[-1] - thawed < 1, f"{old}, woken at {thawed:.2f}"
    assert not disorder(cluster.runs())


def a_wrong_clock_is_refused(cluster):
    """A node whose clock is ten minutes ahead reports that, and runs nothing."""
    make_stores(cluster)
    cluster.clients[0].shift_clock(600)
    for scheme in BACKENDS:
        result = cluster.clients[0].run(line(scheme))
        assert result.status == 78, result
        assert len(set(re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result.output))) == 2, result
    assert not cluster.runs()


def lock_files_on_nfs_3_are_refused(cluster):
    """Not every NFS 3 mount has locks that work across nodes, so `file:` refuses all of them."""
    make_stores(cluster)
    url = "file:/run/mixed/file"
    refused = cluster.clients[2].run(f"cronguard run --name old --backend {url} -- job old 1")
    assert refused.status == 78, refused
    assert not cluster.runs()
