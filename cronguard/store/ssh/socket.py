"""Open a TCP connection within a time limit that includes the look-up of its address."""

import socket
import struct
import threading

from cronguard.system.errors import ConfigError

# Seconds. A lost SYN is sent again after one second and after three, and a host that is up answers one of the three.
_CONNECT = 5.0
# Unsent data is discarded when a connection is given up, also by a killed process. Otherwise the kernel would go on
# sending it, and a request from a process long dead could arrive when a network partition ends.
_LINGER = struct.pack("ii", 1, 0)


def connected(name: str, port: int, limit: float) -> socket.socket:
    """Return a connection. Raises OSError, and ConfigError for a name that no host can have."""
    found: list[socket.socket | OSError | ConfigError] = []
    # In a thread: with three name servers down, the resolver takes half a minute, and nothing can interrupt it.
    thread = threading.Thread(target=lambda: found.append(_tried(name, port, limit)), daemon=True)
    thread.start()
    thread.join(limit)
    if not found:
        raise TimeoutError(None, f"no answer within {limit:g}s, perhaps not even from the name servers")
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
    except UnicodeError:  # a part of it is empty or has more than 63 characters
        return ConfigError(f"{name!r} is not a valid host name", "check the backend URL, and ssh -G HOST")
