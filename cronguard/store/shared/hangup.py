"""A time limit for a whole exchange.

A limit on each step would never end an exchange in which a byte arrives now and then.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def hung_up_after(descriptor: int, seconds: float) -> Iterator[None]:
    """Shut down the descriptor's connection if the block takes longer; a reader then finds the connection ended."""
    with socket.socket(fileno=os.dup(descriptor)) as sock:

        def hang_up() -> None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, hang_up)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
