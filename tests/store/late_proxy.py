"""A TCP proxy that cuts a connection once, at a chosen message. A message is what it forwards at a time."""

import socket
import struct
import threading
from contextlib import suppress

UP, DOWN = "up", "down"  # from the client to the server, and back


class Proxy:
    """A proxy between clients and a server on loopback.

    `cut_at` is (direction, number). The message that is cut off is lost or, if `is_late`, held back until `deliver`
    gives it to the server, as a network may do with a packet. While `is_down`, all connections are refused.
    """

    def __init__(self, port):
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port = self._listener.getsockname()[1]
        self.reset()
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self, cut_at=None, *, is_late=False, stays_down=False):
        self.count = {UP: 0, DOWN: 0}
        self.cut_at, self._is_late, self._stays_down = cut_at, is_late, stays_down
        self.is_down = False
        self._late = None

    @property
    def has_cut(self):
        return self.cut_at is None

    def deliver(self):
        """Give the server the message held back, wait for its answer, and close the connection."""
        if self._late:
            server, data = self._late
            with suppress(OSError):
                server.settimeout(0.3)  # some messages have no answer
                server.sendall(data)
                while server.recv(65536):
                    pass
            _hang_up(server)

    def close(self):
        self._listener.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.is_down:
                    _hang_up(client)
                    continue
                server = socket.create_connection(("127.0.0.1", self._server_port))
                for one in (client, server):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for words in ((client, server, UP), (server, client, DOWN)):
                    threading.Thread(target=self._forward, args=words, daemon=True).start()

    def _forward(self, source, target, direction):
        with suppress(OSError):
            while data := source.recv(65536):
                self.count[direction] += 1
                if self.cut_at == (direction, self.count[direction]):
                    self._cut(source, target, direction, data)
                    return
                target.sendall(data)
        if self._late is None or source is not self._late[0]:
            _hang_up(source)
        if self._late is None or target is not self._late[0]:
            _hang_up(target)

    def _cut(self, source, target, direction, data):
        self.cut_at, self.is_down = None, self._stays_down
        if self._is_late and direction == UP:
            self._late = target, data
        else:
            _hang_up(target)
        _hang_up(source)


def _hang_up(sock):
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
