"""One crontab line on several nodes, and the checks on its runs."""

from engine_nodes import FIRST
from fuzz_checks import hold_faults
from processes import wait_until

from cronguard.model import rotation
from cronguard.model.job import Job
from cronguard.model.rotation import Place, Rotation
from cronguard.model.tick import Tick
from cronguard.store.contract import open_backend
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

ORDER = ["web1", "web2", "web3"]
PATIENTLY = ("--ttl", 60, "--wait", "2m", "--backend-timeout", 60)
PREEMPTION = ()
# With a head start that no test waits for: a node that runs out of turn has lost its place.
ROUND_ROBIN = ("--strategy", "round-robin", "--head-start", "10m")
QUEUE = rotation.queue_key(Job.of("default", "job"))


class Schedule:
    """A line whose runs wait for each other: each node starts it at each tick."""

    def __init__(self, nodes, strategy):
        self._nodes, self._strategy = nodes, strategy
        self._fires = []

    def fire(self, seconds=0.3):
        """Start the next tick on all nodes; the job takes so many seconds."""
        words = ["--tick", Tick(self._tick()).label, *PATIENTLY, *self._strategy]
        job = self._nodes.alive(seconds)
        self._fires.append([self._nodes.start(*words, *job, node=node) for node in ORDER])

    def has_begun(self):
        """Return whether the job is running, or has run, for the last tick."""
        return self._nodes.log.exists() and any(
            hold.tick == self._tick() - 60 for hold in self._nodes.holds()
        )

    def fire_and_begin(self, seconds=0.3):
        """Start the next tick, and return once a node runs the job."""
        self.fire(seconds)
        wait_until(self.has_begun, "the job")

    def end(self):
        """Return the exit statuses of all lines, sorted within each tick."""
        return [sorted(line.end().status for line in fire) for fire in self._fires]

    def faults(self):
        """Wait for all lines, and return the faults in what ran and in what the record says about it."""
        ended, record = self.end(), self._nodes.record()
        holds = sorted(self._nodes.holds(), key=lambda hold: hold.started)
        ran = [(Tick(hold.tick).label, hold.node, hold.token) for hold in holds]
        told = [(run["tick"], run["node"], run["token"]) for run in record.history]
        due = [FIRST + 60 * number for number in range(len(self._fires))]
        faults = hold_faults(holds)
        if ended != [[0, 75, 75]] * len(ended):
            faults.append(f"the lines ended with {ended}")
        if [hold.tick for hold in holds] != due:
            faults.append(f"not each tick once: {ran}")
        if self._strategy and [hold.node for hold in holds] != (ORDER * len(due))[: len(holds)]:
            faults.append(f"out of turn: {ran}")
        if told != ran or {run["state"] for run in record.history} != {"done"}:
            faults.append(f"the record tells of others: {record.history}")
        return faults

    def _tick(self):
        return FIRST + 60 * len(self._fires)


def queue_up(url, folder):
    """Put all nodes into the job's queue, in their order."""
    backend = open_backend(url, Clock(), StateDir(folder, "judge"))
    queue = Rotation(tuple(map(Place, ORDER))).published("the test")
    assert backend.swap(backend.read(QUEUE), rotation.encode(queue))
