"""Storage work in a child that can be abandoned: a call on a hung disk cannot be given a time limit from inside."""

import json
import os
import select
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

from cronguard.store.contract import Backend, Terms, open_backend
from cronguard.store.gate import Gate
from cronguard.store.url import silent
from cronguard.system.clock import Clock
from cronguard.system.errors import CronguardError, as_message, from_message
from cronguard.system.signals import fork, reap
from cronguard.system.statedir import StateDir


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
        return self.do(lambda: work(open_backend(self.url, self.clock, self.state, Terms(self.timeout))))

    def do(self, work: Callable[[], Any]) -> Any:
        """Do the same with work at the storage that opens no backend, or its own."""

        def entered() -> Any:
            Gate(self.state, f"{self.url}{self.lane}", self.timeout, self.clock).enter()
            return work()

        try:
            return in_child(entered, self.timeout, self.clock)
        except TimeoutError:
            raise silent(self.url, self.timeout) from None


def in_child(work: Callable[[], Any], limit: float, clock: Clock) -> Any:
    """Return what `work` returns, which must survive JSON; raises what it raises of our errors.

    It is done in a child, which is killed, or left to the kernel, after `limit` seconds: then TimeoutError is raised.
    """
    reader, writer = os.pipe()
    pid = fork(lambda: _answer(work, writer))
    os.close(writer)
    try:
        answer = json.loads(_collect(reader, limit, clock))
    except ValueError:
        raise TimeoutError from None
    finally:
        os.kill(pid, signal.SIGKILL)
        reap(pid)
    if "error" in answer:
        raise from_message(answer)
    return answer["result"]


def _answer(work: Callable[[], Any], writer: int) -> None:
    if writer > 1:  # else these were closed, and the pipe is in their place
        _leave_output()
    try:
        answer = {"result": work()}
    except CronguardError as error:
        answer = dict(as_message(error))
    except Exception as error:  # noqa: BLE001 - told by the parent, as a bug
        answer = dict(as_message(CronguardError(f"{type(error).__name__}: {error}")))
    with open(writer, "wb") as file:
        file.write(json.dumps(answer).encode())


def _leave_output() -> None:
    """Let go of what the command reads and prints: if we hang, who reads that from a pipe must see its end."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)


def _collect(reader: int, limit: float, clock: Clock) -> bytes:
    give_up_at = clock.boot() + limit
    data = b""
    with open(reader, "rb", buffering=0) as file:
        while select.select([file], [], [], max(0.0, give_up_at - clock.boot()))[0]:
            more = file.read(65536)
            if not more:
                break
            data += more
    return data
