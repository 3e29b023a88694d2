"""A time limit for a whole exchange: one for each step never ends it, where a byte comes now and then."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def hung_up_after(descriptor: int, seconds: float) -> Iterator[None]:
    """End the connection of this descriptor when the block takes longer; who reads from it then finds it ended."""
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
