"""The socket pair between guard and keeper. It carries whole messages and never blocks the sender."""

import json
import select
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

_LARGEST = 16 * 1024
_LONGEST = 2000  # signs of a text: a server's error can be of any length, and half a message is none


def wait_for_any(fds: Iterable[int], timeout: float) -> None:
    """Wait until a descriptor is readable, or for `timeout` seconds. Negative descriptors are closed and ignored."""
    poll = select.poll()
    for fd in fds:
        if fd >= 0:
            poll.register(fd, select.POLLIN)
    poll.poll(timeout * 1000 + 1)  # rounded down, the caller would spin through the last millisecond


class Link:
    """One end. If the other end's buffer is full, a message is dropped: a frozen process must not block this one."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sock.setblocking(False)
        self.is_open = True

    @classmethod
    def pair(cls) -> tuple["Link", "Link"]:
        """Return two connected ends."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    def fileno(self) -> int:
        """Return the descriptor to poll; -1 if the other end is closed, which poll would report forever."""
        return self._sock.fileno() if self.is_open else -1

    def send(self, kind: str, **values: Any) -> None:
        """Send a message, or drop it. A closed end is noticed by `receive`, once all its earlier messages are read."""
        bounded = {
            name: value[:_LONGEST] if isinstance(value, str) else value for name, value in values.items()
        }
        with suppress(OSError):
            self._sock.send(json.dumps({"kind": kind, **bounded}).encode())

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that have arrived."""
        messages: list[dict[str, Any]] = []
        while self.is_open:
            try:
                data = self._sock.recv(_LARGEST)
            except BlockingIOError:
                break
            except ConnectionResetError:  # closed with our messages unread, but its own can still be read
                continue
            except OSError:
                data = b""
            if not data:
                self.is_open = False
                break
            messages.append(json.loads(data))
        return messages

    def close(self) -> None:
        """Close this end; the other end notices when it reads."""
        self.is_open = False
        self._sock.close()
