"""The set-up of most scenarios: one node holds the lease and runs a long job, and the others wait for the lease."""

import time
from typing import NamedTuple

from intervals import disorder, overlaps

# `dir:` is on the mount where the nodes' NFS versions differ, `file:` on the one where all use 4.2.
BACKENDS = {"dir": "dir:/run/mixed/dir", "file": "file:/run/share4/file"}
TTL = 20
LONG = 90  # seconds: longer than any of these scenarios lets the holder run


class Contest(NamedTuple):
    holder: object
    waiters: list
    held: list  # the holder's commands, one for each backend
    waiting: list  # the waiters' commands


def hold(cluster):
    """Start the contest, and return when the waiters have seen the lease and it was renewed once or twice."""
    make_stores(cluster)
    holder, *waiters = cluster.clients
    options = f"--tick {tick()} --wait 120"
    held = [holder.start(line(scheme, options, seconds=LONG)) for scheme in BACKENDS]
    cluster.wait_for(lambda runs: len(runs) == len(BACKENDS), 20)
    waiting = [waiter.start(line(scheme, options, seconds=3)) for waiter in waiters for scheme in BACKENDS]
    time.sleep(8)
    return Contest(holder, waiters, held, waiting)


def make_stores(cluster):
    cluster.server.check("cd /run/disk/share && mkdir dir file")


def line(scheme, options="", ttl=TTL, seconds=1):
    """Return the command of a crontab line for one backend."""
    guard = f"cronguard run --ns lab --name {scheme} --backend {BACKENDS[scheme]} --ttl {ttl} --log stderr"
    return f"{guard} {options} -- job {scheme} {seconds}"


def tick(ahead=0):
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time.time() + ahead))


def successions(cluster):
    """Return for each backend the run that was cut short and the run after it; wait for the latter."""
    cluster.wait_for(lambda runs: len(runs) == 2 * len(BACKENDS), TTL + 30)
    runs = cluster.runs()
    return [tuple(run for run in runs if run.job == scheme) for scheme in BACKENDS]


def check(cluster):
    """Check that no two runs of a job overlap, and that their tokens grow."""
    runs = cluster.runs()
    assert not overlaps(runs), [f"{a} overlaps {b}" for a, b in overlaps(runs)]
    assert not disorder(runs), [f"{a}, then {b}" for a, b in disorder(runs)]


def check_the_next_tick(cluster):
    """Check that a later tick is run once, although all nodes start a run."""
    for scheme in BACKENDS:
        results = cluster.everywhere(line(scheme, f"--tick {tick(ahead=60)}"), timeout=60)
        assert sorted(result.status for result in results) == [0, 75, 75], results
