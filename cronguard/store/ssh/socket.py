"""A TCP connection, and the look-up of its address, within a time limit."""

import socket
import struct
import threading

from cronguard.system.errors import ConfigError

# Seconds. A lost SYN is sent again after one and after three, and a host that is up answers one of the three.
_CONNECT = 5.0
# What is not sent yet when a connection is given up, by a killed process too, is thrown away. Otherwise the kernel
# would go on sending it: a request of somebody long dead could arrive when a partition is mended.
_LINGER = struct.pack("ii", 1, 0)


def connected(name: str, port: int, limit: float) -> socket.socket:
    """Return a connection. Raises OSError, and ConfigError for a name that no host can have."""
    found: list[socket.socket | OSError | ConfigError] = []
    # On a thread: with three name servers that are down, the resolver takes half a minute, and nothing ends it.
    thread = threading.Thread(target=lambda: found.append(_tried(name, port, limit)), daemon=True)
    thread.start()
    thread.join(limit)
    if not found:
        raise TimeoutError(None, f"no answer within {limit:g}s, and perhaps none of the name servers")
    if not isinstance(found[0], socket.socket):
        raise found[0]
    found[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    return found[0]


def _tried(name: str, port: int, limit: float) -> socket.socket | OSError | ConfigError:
    try:
        return socket.create_connection((name, port), min(_CONNECT, limit))
    except OSError as error:
        return error
    except UnicodeError:  # a part of it is empty, or has more than 63 characters
        return ConfigError(f"{name!r} is not the name of a host", "see the backend, and ssh -G HOST")
