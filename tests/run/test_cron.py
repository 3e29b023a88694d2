"""End to end: three of Debian's cron daemons, each a node with its own crontab, share one directory."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter

import pytest
from processes import boot, mentioning, wait_until, words

NODES = ("node1", "node2", "node3")
TTL = 5
TICK = 60.0
PATIENCE = 3 * TICK  # seconds: the next minute, watching a dead node's lease, and time for a busy machine

# A cron that does not see this machine's own crontabs; the machine's cron does not see its crontabs either.
PRIVATE_CRON = """
mount -t tmpfs none /var/spool/cron && mount -t tmpfs none /etc/cron.d && mount -t tmpfs none /run
[ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab
mkdir -m 1730 /var/spool/cron/crontabs && touch /run/crond.reboot
cat "$1" > /etc/cron.d/guarded && chmod 644 /etc/cron.d/guarded
exec /usr/sbin/cron -f
"""

CRONTAB = """\
SHELL=/bin/sh
PATH=/usr/local/bin:/usr/bin:/bin
MAILTO=""
CRONGUARD_NODE={node}
CRONGUARD_STATE_DIR={folder}/state
* * * * * root cd {folder} && {guard} run --backend dir:{share} --ttl {ttl} --log none --name job -- ./job >> {node}.out 2>&1
"""

JOB = """\
#!/bin/sh
echo "$CRONGUARD_RUN_TICK $CRONGUARD_NODE" >> begun
sleep "$(cat seconds)"
echo "$CRONGUARD_RUN_TICK $CRONGUARD_NODE" >> ended
"""


def reason_not_to_run():
    if os.geteuid() != 0:
        return "only root can give a cron daemon crontabs of its own"
    if not (shutil.which("cron", path="/usr/sbin") and shutil.which("unshare")):
        return "Debian's cron, or unshare, is not installed"
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        return "no private mount namespace can be made here"
    return None


class Nodes:
    """Three cron daemons with the same guarded line."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.root = cluster.root
        (self.root / "job").write_text(JOB)
        (self.root / "job").chmod(0o755)
        self.let_jobs_take(1)
        self.daemons = {node: self._start(node) for node in NODES}

    def _start(self, node):
        crontab = self.root / f"{node}.crontab"
        guard = f"{sys.executable} -m cronguard"
        line = dict(node=node, folder=self.root, guard=guard, share=self.cluster.share, ttl=TTL)
        crontab.write_text(CRONTAB.format(**line))
        command = ["unshare", "--mount", "sh", "-ec", PRIVATE_CRON, "sh", str(crontab)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def let_jobs_take(self, seconds):
        (self.root / "seconds").write_text(f"{seconds}\n")

    def lines(self, name):
        """Return the ticks that have started ("begun") or finished ("ended"), each with its node."""
        file = self.root / name
        return [tuple(line.split()) for line in file.read_text().splitlines()] if file.exists() else []

    def wait_for(self, name, count):
        wait_until(lambda: len(self.lines(name)) >= count, f"{name} {count}", PATIENCE)
        return self.lines(name)[count - 1]

    def cut_off(self, node):
        """Kill a node's cron, guard and keeper, as if the machine had lost power."""
        self.daemons[node].kill()
        for seen in mentioning(f"CRONGUARD_NODE={node}"):
            if "cronguard" in words(seen.pid):
                seen.send(signal.SIGKILL)

    def jobs_on(self, node):
        return [seen for seen in mentioning(f"CRONGUARD_NODE={node}") if "./job" in words(seen.pid)]

    def stop(self):
        for daemon in self.daemons.values():
            daemon.kill()
            daemon.wait()


@pytest.fixture
def nodes(cluster):
    if reason := reason_not_to_run():
        pytest.skip(reason)
    nodes = Nodes(cluster)
    yield nodes
    nodes.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_tick_runs_once_in_the_cluster_even_when_a_node_dies(nodes, cluster):
    for number in (1, 2, 3):
        nodes.wait_for("ended", number)
    assert nodes.lines("begun") == nodes.lines("ended")

    nodes.let_jobs_take(3 * TICK)
    tick, holder = nodes.wait_for("begun", 4)
    nodes.cut_off(holder)
    wait_until(lambda: not nodes.jobs_on(holder), "the end of the job itself")
    nodes.let_jobs_take(1)

    next_tick, heir = nodes.wait_for("ended", 4)
    began = boot()
    wait_until(lambda: boot() > began + 3)  # a second run of that tick would show up by then
    assert heir != holder
    assert nodes.lines("ended")[3:] == [(next_tick, heir)]
    assert nodes.lines("begun")[3:] == [(tick, holder), (next_tick, heir)]

    ticks = [tick for tick, _ in nodes.lines("begun")]
    assert Counter(ticks).most_common(1)[0][1] == 1
    assert ticks == sorted(ticks)
    outputs = {node: (nodes.root / f"{node}.out").read_text() for node in NODES if node != holder}
    assert set(outputs.values()) == {""}
    assert {folder.name for folder in (nodes.root / "state/node").iterdir()} == set(NODES)
    outcomes = [outcome["state"] for outcome in cluster.record().history]
    assert outcomes == ["done", "done", "done", "crashed", "done"]
