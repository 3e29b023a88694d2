"""The socket pair between guard and keeper: whole messages, never waited for."""

import json
import select
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

_LARGEST = 16 * 1024


def wait_for_any(fds: Iterable[int], timeout: float) -> None:
    """Wait until one of the descriptors can be read, or for so many seconds; a negative one is of something closed."""
    poll = select.poll()
    for fd in fds:
        if fd >= 0:
            poll.register(fd, select.POLLIN)
    poll.poll(timeout * 1000 + 1)  # rounded down, it would spin through the last millisecond


class Link:
    """One end. A message that finds the other end's buffer full is dropped: who is frozen must not freeze us."""

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
        """Return the descriptor to poll; -1 when the other end is gone, of which poll would tell without end."""
        return self._sock.fileno() if self.is_open else -1

    def send(self, kind: str, **values: Any) -> None:
        """Send a message, or drop it. That the other end is closed is learned by reading all that it said before."""
        with suppress(OSError):
            self._sock.send(json.dumps({"kind": kind, **values}).encode())

    def receive(self) -> list[dict[str, Any]]:
        """Return the messages that have come."""
        messages: list[dict[str, Any]] = []
        while self.is_open:
            try:
                data = self._sock.recv(_LARGEST)
            except BlockingIOError:
                break
            except (
                ConnectionResetError
            ):  # closed with unread messages of ours; what it said is still to be read
                continue
            except OSError:
                data = b""
            if not data:
                self.is_open = False
                break
            messages.append(json.loads(data))
        return messages

    def wait(self, timeout: float) -> None:
        """Wait until something has come, or for so many seconds."""
        if self.is_open:
            wait_for_any([self._sock.fileno()], max(0.0, timeout))

    def close(self) -> None:
        """Close this end: the other reads that it is alone."""
        self.is_open = False
        self._sock.close()
