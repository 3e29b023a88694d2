"""The serial line to a node: script numbers go in, script numbers and exit statuses come out."""

import contextlib
import socket
import time


class Line:
    """Our end of the line. Reading it is the only way to learn that a script has finished: nothing polls."""

    def __init__(self):
        self._ours, self.theirs = socket.socketpair()
        self._unread = b""
        self._heard = {}

    def hand_over(self):
        """Close the node's end here once the node has it, so that its death is noticed."""
        self.theirs.close()

    def send(self, word):
        # A dead node is detected when its answer does not arrive.
        with contextlib.suppress(OSError):
            self._ours.sendall(f"{word}\n".encode())

    def answer(self, word, timeout):
        """Return the text after `word` at the start of a line; None if time is up or the node is dead."""
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
