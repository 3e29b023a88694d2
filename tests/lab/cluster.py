"""The cluster that every scenario gets: one NFS server and three clients, freshly booted."""

import os
import subprocess
import time

from intervals import read_runs
from network import Network
from node import Node

DISK_SIZE = 256 * 2**20


class Cluster:
    """The nodes, and the directory that they share with the host: logs, the jobs' marks, the server's disk."""

    def __init__(self, folder, lab_id, python):
        self.folder = folder
        self.id = lab_id
        self.python = python
        self.marks = f"{folder}/marks"
        os.makedirs(self.marks)
        self.network = Network()
        self.server = Node(self, "server", 10, ROLE="server", mem="192M", ubd0=self._make_disk())
        self.clients = [self._client(number, mixed) for number, mixed in ((1, "4.2"), (2, "4.2"), (3, "3"))]
        self.nodes = [self.server, *self.clients]

    def _client(self, number, mixed):
        return Node(self, f"node{number}", 10 + number, ROLE="client", SERVER="10.77.0.10", MIXED=mixed)

    def _make_disk(self):
        disk = f"{self.folder}/disk.img"
        with open(disk, "xb") as file:
            file.truncate(DISK_SIZE)
        subprocess.run(["mkfs.ext4", "-q", disk], check=True)
        return disk

    def __enter__(self):
        try:
            self._boot()
        except BaseException:
            self.close()
            raise
        return self

    def _boot(self):
        for node in self.nodes:
            node.power_on()
        for node in self.nodes:
            node.ready()

    def __exit__(self, *failure):
        self.close()

    def close(self):
        for node in self.nodes:
            node.close()
        self.network.close()
        os.remove(f"{self.folder}/disk.img")

    def next_minute_in(self, seconds, offsets=(0, 0, 0)):
        """Step all clocks so that a minute starts in `seconds`; each client's clock is ahead by its offset.

        Returns how far the clocks without an offset are ahead of the host's.
        """
        shift = 60 - seconds - time.time() % 60
        steps = zip(self.nodes, (0, *offsets), strict=True)
        commands = [node.start(f"date -s '{shift + offset:+.3f} seconds'") for node, offset in steps]
        for command in commands:
            command.wait()
        return shift

    def runs(self):
        """Return the runs of the scenario's jobs so far."""
        return read_runs(self.marks)

    def wait_for(self, fact, timeout):
        """Wait until the fact holds for the runs so far."""
        deadline = time.monotonic() + timeout
        while not fact(self.runs()):
            assert time.monotonic() < deadline, (
                f"not within {timeout:g} s; runs: {list(map(str, self.runs()))}"
            )
            time.sleep(0.2)

    def everywhere(self, script, timeout=30.0):
        """Run a script on the three clients at once; return their results in order."""
        commands = [client.start(script) for client in self.clients]
        return [command.wait(timeout) for command in commands]
