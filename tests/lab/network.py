"""An Ethernet segment for the nodes, in the network namespace that the lab runs in."""

import subprocess


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Network:
    """A bridge, and a tap for each node. It is not connected to the host's own network."""

    def __init__(self):
        ip("link", "add", "bridge", "type", "bridge")
        ip("link", "set", "bridge", "up")

    def add(self, tap):
        ip("tuntap", "add", tap, "mode", "tap")
        ip("link", "set", tap, "master", "bridge", "up")

    def cut(self, tap):
        """Unplug the cable at the far end: packets leave the node but arrive nowhere.

        `set down` would not do: a write to a tap that is down fails, and the node's network card never recovers.
        """
        ip("link", "set", tap, "nomaster")

    def mend(self, tap):
        ip("link", "set", tap, "master", "bridge")

    def remove(self, tap):
        ip("link", "delete", tap)

    def close(self):
        ip("link", "delete", "bridge")
