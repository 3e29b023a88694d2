"""Do storage work in a child process that can be abandoned.

A process cannot put a time limit on its own calls to a hung disk.
"""

import json
import os
import signal
from collections.abc import Callable
from typing import Any, NamedTuple

from cronguard.store.contract import Backend, Terms, open_backend
from cronguard.store.gate import Gate
from cronguard.store.url import silent
from cronguard.system.clock import Clock
from cronguard.system.descriptors import can_read
from cronguard.system.errors import CronguardError, as_message, from_message, no_process
from cronguard.system.signals import fork, reap
from cronguard.system.statedir import StateDir


class Storage(NamedTuple):
    """A backend as the commands use it: they send work to it, and get an answer or none.

    `lane` names a separate gate, for work so frequent that runs would have to wait behind it.
    """

    url: str
    state: StateDir
    timeout: float
    clock: Clock
    lane: str = ""

    def ask(self, work: Callable[[Backend], Any]) -> Any:
        """Return what `work` returns, which must be serialisable as JSON.

        Raises the cronguard errors that `work` raises, and BackendError if it takes longer than the time limit.
        """
        return self.do(lambda: work(open_backend(self.url, self.clock, self.state, Terms(self.timeout))))

    def do(self, work: Callable[[], Any]) -> Any:
        """Do the same for storage work that opens no backend, or opens its own."""

        def entered() -> Any:
            Gate(self.state, f"{self.url}{self.lane}", self.timeout, self.clock).enter()
            return work()

        try:
            return in_child(entered, self.timeout, self.clock)
        except TimeoutError:
            raise silent(self.url, self.timeout) from None


def in_child(work: Callable[[], Any], limit: float, clock: Clock) -> Any:
    """Run `work` in a child process and return its result, which must be serialisable as JSON.

    Raises the cronguard errors that `work` raises, and CommandNotExecutableError if no process can be started. After `limit` seconds the child is killed, or left to the kernel,
    and TimeoutError is raised.
    """
    reader, writer = os.pipe()
    try:
        pid = fork(lambda: _answer(work, writer))
    except OSError as error:
        os.close(reader)
        raise no_process(error) from error
    finally:
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
    if writer > 1:  # otherwise these were closed, and the pipe took their place
        _leave_output()
    try:
        answer = {"result": work()}
    except CronguardError as error:
        answer = dict(as_message(error))
    except Exception as error:  # noqa: BLE001 - reported by the parent, as a bug
        answer = dict(as_message(CronguardError(f"{type(error).__name__}: {error}")))
    with open(writer, "wb") as file:
        file.write(json.dumps(answer).encode())


def _leave_output() -> None:
    """Release the command's input and output: even if this process hangs, a reader of the pipe must see its end."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)


def _collect(reader: int, limit: float, clock: Clock) -> bytes:
    give_up_at = clock.boot() + limit
    data = b""
    with open(reader, "rb", buffering=0) as file:
        while can_read(reader, give_up_at - clock.boot()):
            more = file.read(65536)
            if not more:
                break
            data += more
    return data
