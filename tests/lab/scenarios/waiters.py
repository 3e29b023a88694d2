"""A node that only waits, and has read the versions of another node's jobs, dies or is cut off: the jobs go on.

On NFS 4 the server has given such a node a delegation for each record that it has read. Until the node's lease on the
server is over, the server lets nobody unlink these records.
"""

import time

from scenarios.contest import check, tick

JOBS = 4
URL = "dir:/run/share4/dir"


def a_dead_waiter_stops_nobody_at_ttl_20(cluster):
    """The waiting node's power is cut; the holder's ttl is 20 s."""
    _lose_the_waiter(cluster, "crash", 20)


def a_dead_waiter_stops_nobody_at_ttl_30(cluster):
    """The waiting node's power is cut; the holder's ttl is 30 s."""
    _lose_the_waiter(cluster, "crash", 30)


def a_waiter_that_is_cut_off_stops_nobody_at_ttl_20(cluster):
    """The waiting node loses the network; the holder's ttl is 20 s."""
    _lose_the_waiter(cluster, "cut", 20)


def a_waiter_that_is_cut_off_stops_nobody_at_ttl_30(cluster):
    """The waiting node loses the network; the holder's ttl is 30 s."""
    _lose_the_waiter(cluster, "cut", 30)


def _lose_the_waiter(cluster, how, ttl):
    """The holder renews so often before and after that versions which the waiter has read become superfluous."""
    cluster.server.check("mkdir /run/disk/share/dir")
    _lengthen_the_servers_lease(cluster)
    holder, waiter, _ = cluster.clients
    seconds, label = 22 * ttl // 4 + 60, tick()
    held = [holder.start(_line(job, label, ttl, seconds)) for job in range(JOBS)]
    cluster.wait_for(lambda runs: len(runs) == JOBS, 40)
    for job in range(JOBS):
        waiter.start(_line(job, label, ttl, 1, "--wait 600"))
    renewals = 17 * ttl / 4  # by then each renewal puts away a version that was read while it was the latest
    time.sleep(renewals + 5)
    assert _delegations(cluster) >= JOBS, "the waiting node has no delegations, so this would show nothing"
    getattr(waiter, how)()
    statuses = [command.wait(seconds + 120).status for command in held]
    assert statuses == [0] * JOBS, [statuses, *map(str, cluster.runs())]
    assert len(cluster.runs()) == JOBS
    _check_that_all_is_tidied(cluster, holder)
    check(cluster)


def _line(job, label, ttl, seconds, options=""):
    guard = (
        f"cronguard run --ns lab --name waited{job} --backend {URL} --ttl {ttl} --log stderr --tick {label}"
    )
    return f"{guard} {options} -- job waited{job} {seconds}"


def _lengthen_the_servers_lease(cluster):
    """Give the server the lease that servers have by default: 90 s, longer than these jobs' ttl."""
    restart = (
        "rpc.nfsd 0; echo 90 >/proc/fs/nfsd/nfsv4leasetime; echo 15 >/proc/fs/nfsd/nfsv4gracetime; rpc.nfsd 4"
    )
    cluster.server.check(restart)
    for client in cluster.clients:
        client.check("ls /run/share4/dir", timeout=60)


def _delegations(cluster):
    return int(cluster.server.run("cat /proc/fs/nfsd/clients/*/states | grep -c 'type: deleg'").output)


def _check_that_all_is_tidied(cluster, node):
    """Once the server has forgotten the lost node, a heartbeat removes what nobody could remove before."""
    deadline = time.monotonic() + 120
    while node.check("ls /run/share4/dir/v1/.trash"):
        assert time.monotonic() < deadline, "the trash is not emptied"
        node.check(f"cronguard heartbeat --backend {URL}", timeout=60)
