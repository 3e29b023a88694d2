"""Storage work in a child that can be abandoned: a call on a hung disk cannot be given a time limit from inside."""

import json
import os
import select
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

from cronguard.backend import Backend, Terms, open_backend, silent
from cronguard.clock import Clock
from cronguard.errors import CronguardError, as_message, from_message
from cronguard.gate import Gate
from cronguard.signals import fork, reap
from cronguard.statedir import StateDir


class Storage(NamedTuple):
    """A backend as the commands see it: work is sent there, and its answer comes back or not.

    `lane` names a gate of its own for what comes so often that runs would have to wait behind it.
    """

    url: str
    state: StateDir
    timeout: float
    clock: Clock
    lane: str = ""

    def ask(self, work: Callable[[Backend], Any]) -> Any:
        """Return what `work` returns, which must survive JSON.

        Raises what it raises of our errors, and BackendError when it takes longer than the time limit.
        """
        reader, writer = os.pipe()
        pid = fork(lambda: self._answer(work, writer))
        os.close(writer)
        try:
            answer = json.loads(self._collect(reader))
        except ValueError:
            raise silent(self.url, self.timeout) from None
        finally:
            os.kill(pid, signal.SIGKILL)
            reap(pid)
        if "error" in answer:
            raise from_message(answer)
        return answer["result"]

    def _answer(self, work: Callable[[Backend], Any], writer: int) -> None:
        _leave_pipes(writer)
        gate = Gate(self.state, f"{self.url}{self.lane}", self.timeout, self.clock)
        try:
            gate.enter()
            backend = open_backend(self.url, self.clock, self.state, Terms(self.timeout))
            answer = {"result": work(backend)}
        except CronguardError as error:
            answer = dict(as_message(error))
        except Exception as error:  # noqa: BLE001 - told by the parent, as a bug
            answer = dict(as_message(CronguardError(f"{type(error).__name__}: {error}")))
        with open(writer, "wb") as file:
            file.write(json.dumps(answer).encode())

    def _collect(self, reader: int) -> bytes:
        give_up_at = self.clock.boot() + self.timeout
        data = b""
        with open(reader, "rb", buffering=0) as file:
            while select.select([file], [], [], max(0.0, give_up_at - self.clock.boot()))[0]:
                more = file.read(65536)
                if not more:
                    break
                data += more
        return data


def _leave_pipes(ours: int) -> None:
    """Keep no pipe of the command's: a child stuck in the kernel would keep `cronguard locks | less` from ending."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in {0, 1} - {ours, nowhere}:
        os.dup2(nowhere, fd)
    if nowhere > 1:
        os.close(nowhere)
