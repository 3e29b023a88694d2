"""Do work in a separate process, which may hang or be killed."""

import json
import os
import select
import signal
import time
from contextlib import suppress

_LIMIT = 60.0  # seconds: only a failure takes as long
_LOOK = 0.002


def wait_for(fact):
    """Wait until a fact is true; raises AssertionError if it never is, for example if a call hangs for ever."""
    give_up_at = time.monotonic() + _LIMIT
    while not fact():
        if time.monotonic() > give_up_at:
            raise AssertionError("an expected fact did not become true")
        time.sleep(_LOOK)


class Child:
    """A process that does some work and reports the result."""

    def __init__(self, work):
        self._reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            with suppress(BaseException):
                os.write(writer, json.dumps(work()).encode())
            os._exit(0)
        os.close(writer)

    def wait_for(self, sign):
        """Return True once there is a sign, or False if the process ended without one."""
        wait_for(lambda: sign() or select.select([self._reader], [], [], 0)[0])
        return sign()

    def end(self):
        """Return its report, or None if it was killed. A process that hangs for ever is left behind, with an error."""
        report = b""
        while select.select([self._reader], [], [], _LIMIT)[0] and (part := os.read(self._reader, 65536)):
            report += part
        os.close(self._reader)
        os.kill(self._pid, signal.SIGKILL)
        wait_for(lambda: os.waitpid(self._pid, os.WNOHANG) != (0, 0))
        return json.loads(report) if report else None
