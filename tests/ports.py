"""Ports for the servers that tests start."""

import random
import socket
from contextlib import suppress

# Below the ports that the kernel gives to clients. A server that restarts must find its port free. And a client that
# connects to such a port while nobody listens there may be connected to itself.
_RANGE = range(10000, 32000)


def free_port():
    """Return a random port that nobody listens on: other workers choose theirs at the same time."""
    while True:
        port = random.choice(_RANGE)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
