"""A TCP proxy on loopback that breaks a connection at the n-th chunk, by closing it or by silence."""

import selectors
import socket
import threading
from contextlib import suppress


class Proxy:
    """Forwards connections to a server, and numbers the chunks that it carries, in both directions, from 1.

    The chunk with the number `cut_at` is not forwarded. Its connection is closed or, with `is_silent`, left open, and
    carries nothing more. Chunks of other connections are still forwarded, unless `is_down`. The same happens to a chunk
    for which `is_to_cut(data, from_client)` returns True; it is called before each chunk is forwarded.
    """

    def __init__(self, port):
        self.server_port = port  # where new connections go
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.carried = 0
        self.cut_at, self.is_silent, self.is_down = None, False, False
        self.was_cut = threading.Event()
        self.is_to_cut = lambda data, from_client: False
        self._lock = threading.Lock()
        self._socks = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self, cut_at=None, *, is_silent=False):
        """Count from 1 again, and cut there."""
        with self._lock:
            self.carried, self.cut_at, self.is_silent = 0, cut_at, is_silent
            self.was_cut.clear()

    def close(self):
        self.is_down = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._socks):
            _hang_up(sock)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self.server_port))
        except OSError:
            _hang_up(client)
            return
        ends = {client: server, server: client}
        self._socks.update(ends)
        with selectors.DefaultSelector() as selector, suppress(OSError, ValueError):
            for sock in ends:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(sock, selectors.EVENT_READ)
            while self._carry_chunks(selector, ends, client):
                pass
        for sock in ends:
            _hang_up(sock)
        self._socks.difference_update(ends)

    def _carry_chunks(self, selector, ends, client):
        """Forward the chunks that have arrived; return False when the connection has ended."""
        for key, _ in selector.select():
            data = key.fileobj.recv(1 << 20)
            if not data:
                return False
            if self._is_cut(data, key.fileobj is client):
                self.was_cut.set()
                while self.is_silent and not self.is_down:
                    if not key.fileobj.recv(1 << 20):  # the client has given up
                        break
                return False
            ends[key.fileobj].sendall(data)
        return True

    def _is_cut(self, data, from_client):
        with self._lock:
            self.carried += 1
            number = self.carried
        return self.is_to_cut(data, from_client) or self.is_down or number == self.cut_at


def _hang_up(sock):
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
