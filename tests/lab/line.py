"""The serial line to a node: numbers of scripts go in, numbers and exit statuses come out."""

import contextlib
import socket
import time


class Line:
    """Our end of the line. Reading it is the only way to hear of a finished script: nothing polls."""

    def __init__(self):
        self._ours, self.theirs = socket.socketpair()
        self._unread = b""
        self._heard = {}

    def hand_over(self):
        """Let go of the node's end once the node has it, so that we hear of its death."""
        self.theirs.close()

    def send(self, word):
        # A dead node is found out by waiting for its answer, which never comes.
        with contextlib.suppress(OSError):
            self._ours.sendall(f"{word}\n".encode())

    def answer(self, word, timeout):
        """What came after `word` at the beginning of a line, or None when time is up or the node is dead."""
        deadline = time.monotonic() + timeout
        while word not in self._heard and self._listen(deadline - time.monotonic()):
            pass
        return self._heard.get(word)

    def _listen(self, timeout):
        self._ours.settimeout(max(timeout, 0.001))
        try:
            heard = self._ours.recv(4096)
        except OSError:
            return False
        *lines, self._unread = (self._unread + heard).split(b"\n")
        self._heard.update(line.decode(errors="replace").strip().partition(" ")[::2] for line in lines)
        return bool(heard)

    def close(self):
        self._ours.close()
