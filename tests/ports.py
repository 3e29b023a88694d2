"""Ports for the servers that tests start."""

import random
import socket
from contextlib import suppress

# Below those that the kernel gives to clients: a server that starts again must find its port free, and who connects
# to a port of theirs that nobody listens on may be connected to himself.
_RANGE = range(10000, 32000)


def free_port():
    """Return one that nobody listens on; by chance, since other workers look for theirs at the same time."""
    while True:
        port = random.choice(_RANGE)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
