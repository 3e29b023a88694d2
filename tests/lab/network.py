"""One Ethernet segment for the nodes, in the network namespace that the lab runs in."""

import subprocess


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Network:
    """A bridge, and a tap for each node. Nothing leaves it: it has no way to the host's own network."""

    def __init__(self):
        ip("link", "add", "bridge", "type", "bridge")
        ip("link", "set", "bridge", "up")

    def add(self, tap):
        ip("tuntap", "add", tap, "mode", "tap")
        ip("link", "set", tap, "master", "bridge", "up")

    def cut(self, tap):
        """Pull the cable at the far end: packets leave the node and get nowhere.

        Not `set down`: a write to a tap that is down is an error, after which the node's card is dead for good.
        """
        ip("link", "set", tap, "nomaster")

    def mend(self, tap):
        ip("link", "set", tap, "master", "bridge")

    def remove(self, tap):
        ip("link", "delete", tap)

    def close(self):
        ip("link", "delete", "bridge")
