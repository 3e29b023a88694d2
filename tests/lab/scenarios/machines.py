"""The lab itself: its faults must do to the machines what they claim. cronguard does not run here."""

import os
import time
from itertools import chain, pairwise

from intervals import ticks

HERE = os.path.dirname(os.path.abspath(__file__))


def one_rename_wins(cluster):
    """Of three nodes that rename a directory to the same name, over NFS 3 and 4.2, one succeeds."""
    cluster.server.check("mkdir /run/disk/share/race")
    outputs = cluster.everywhere(f"exec $PYTHON {HERE}/race.py /run/mixed/race 60", timeout=60)
    won = [[int(version) for version in result.output.split()] for result in outputs]
    assert sorted(chain(*won)) == list(range(60)), won


def cron_fires_on_every_node(cluster):
    """The daemons start the same minute 20 s apart, like their clocks, and the checker sees that."""
    cluster.next_minute_in(26, offsets=(-20, 0, 20))
    for client in cluster.clients:
        client.cron("* * * * * job cron 1\n")
    cluster.wait_for(lambda runs: len(runs) >= 3, 60)
    runs = next(iter(ticks(cluster.runs()).values()))
    assert [run.node for run in runs] == ["node3", "node2", "node1"]
    gaps = [late.start - early.start for early, late in pairwise(runs)]
    assert all(18 < gap < 22 for gap in gaps), gaps


def a_crash_ends_a_node(cluster):
    """Nothing on the crashed node survives, the other nodes do, and it can boot again."""
    victim, witness, _ = cluster.clients
    victim.start("job crash 60")
    witness.start("job witness 8")
    cluster.wait_for(lambda runs: len(runs) == 2, 10)
    time.sleep(2)
    victim.crash()
    crashed = time.time()
    time.sleep(3)
    lost = next(run for run in cluster.runs() if run.job == "crash")
    assert not lost.stopped
    assert abs(lost.marks[-1] - crashed) < 1
    victim.boot()
    assert victim.check("ls /run/mixed /run/share4 && echo here").endswith("here\n")
    cluster.wait_for(lambda runs: any(run.stopped for run in runs), 15)


def a_frozen_node_wakes_late(cluster):
    """A frozen node's job is frozen too, but its clocks continue."""
    victim = cluster.clients[0]
    victim.start("job freeze 60")
    cluster.wait_for(bool, 10)
    before = float(victim.check("cat /proc/uptime").split()[0])
    victim.freeze()
    time.sleep(10)
    victim.thaw()
    after = float(victim.check("cat /proc/uptime").split()[0])
    (run,) = cluster.runs()
    longest = max(late - early for early, late in pairwise(run.marks))
    assert 9 < longest < 12, longest
    assert after - before > 10, (before, after)


def a_frozen_server_loses_nothing(cluster):
    """Writes hang while the server is frozen for 30 s, and then all of them succeed."""
    cluster.server.freeze()
    writes = [
        client.start("mkdir /run/mixed/$NODE && echo there >/run/share4/file-$NODE")
        for client in cluster.clients
    ]
    time.sleep(30)
    cluster.server.thaw()
    assert [write.wait(60).status for write in writes] == [0, 0, 0]
    names = cluster.server.check("ls /run/disk/share").split()
    assert names == ["file-node1", "file-node2", "file-node3", "node1", "node2", "node3"]


def a_killed_server_comes_back(cluster):
    """Acknowledged writes survive the server's death; clients continue, and get locks after the grace period."""
    cluster.everywhere("echo before >/run/share4/$NODE && flock /run/share4/lock true")
    cluster.server.reboot()
    results = cluster.everywhere(
        "cat /run/mixed/$NODE && flock /run/share4/lock mkdir /run/mixed/after-$NODE", timeout=60
    )
    assert [(result.status, result.output) for result in results] == [(0, "before\n")] * 3


def a_partitioned_node_lives_alone(cluster):
    """A node without its cable continues to run; its writes hang, and succeed when the cable is back."""
    victim, other, _ = cluster.clients
    victim.cut()
    hanging = victim.start("mkdir /run/mixed/late")
    victim.start("job alone 20")
    other.check("mkdir /run/mixed/early")
    time.sleep(20)
    assert cluster.server.check("ls /run/disk/share").split() == ["early"]
    victim.mend()
    assert hanging.wait(60).status == 0
    cluster.wait_for(lambda runs: all(run.stopped for run in runs), 15)
