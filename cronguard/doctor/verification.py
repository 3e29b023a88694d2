"""`doctor --verify`: processes on one or more nodes swap one entry at the same time; they must make one chain."""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cronguard.config.settings import SETTINGS
from cronguard.doctor.chain import Attempt, End, chain_faults
from cronguard.doctor.contender import Log, read_attempts, swap_often
from cronguard.doctor.finding import Finding, ok, problem
from cronguard.doctor.meeting import Meeting, gather, join, leave, tell
from cronguard.model.duration import format_duration, parse_duration
from cronguard.store.contract import Terms, open_backend
from cronguard.store.storage import Storage
from cronguard.system.clock import Clock, clock_name
from cronguard.system.errors import BackendError, CronguardError, UsageError
from cronguard.system.linux import die_with_parent
from cronguard.system.signals import fork
from cronguard.system.statedir import StateDir

_CONTENDERS = 4  # processes on each node; more of them lose more races but find nothing more
_MOST = 1000  # swaps of each process: the nodes exchange them in entries of 64 KiB
_SHOWN = 3  # faults: the first ones show what the others would
_COME = 2  # time limits of the backend: a minute by default, enough to start it by hand on three nodes


class Plan(NamedTuple):
    """How many seconds to verify for, and with which other nodes."""

    seconds: float
    others: tuple[str, ...]

    @classmethod
    def of(cls, length: str, others: str | None) -> "Plan":
        """Return the plan that the options specify; raises UsageError for a bad length or a bad list of nodes."""
        seconds = parse_duration(length, "--verify")
        if not 1 <= seconds <= 600:
            raise UsageError(f"--verify: {length} is not between 1s and 10m", "try 10s")
        return cls(seconds, SETTINGS["nodes"].read(others, "--with") if others is not None else ())


def verify(storage: Storage, node: str, plan: Plan) -> list[Finding]:
    """Verify the backend; raises BackendError if another node does not join, or if the backend cannot be used."""
    meeting = Meeting(node, os.urandom(4).hex(), tuple(name for name in plan.others if name != node))
    with TemporaryDirectory(prefix="cronguard-") as folder:
        return [_verified(storage, meeting, plan.seconds, folder)]


def _verified(storage: Storage, meeting: Meeting, seconds: float, folder: str) -> Finding:
    patience, clock = _COME * storage.timeout, storage.clock
    patient = storage._replace(timeout=patience + storage.timeout)
    with _alone(storage.state, meeting.chain):
        begin, met = patient.ask(lambda backend: join(backend, meeting, patience, clock))
        _contend(storage, meeting, seconds, folder)
        attempts = read_attempts(folder, clock_name())
        parts = patient.ask(lambda backend: tell(backend, meeting, met, attempts))
        end, rows = patient.ask(lambda backend: gather(backend, meeting, met, patience, clock))
        patient.ask(lambda backend: leave(backend, meeting, met, parts, storage.timeout, clock))
    attempts += [Attempt(*row) for row in rows]
    return judge_chain(attempts, End(*end), End(*begin), (meeting.me, *meeting.others), seconds)


def judge_chain(
    attempts: list[Attempt], last: End, first: End, nodes: tuple[str, ...], seconds: float
) -> Finding:
    """Judge whether the published records make one chain."""
    published = sum(attempt.answer == "published" for attempt in attempts)
    told = f"{len(attempts)} writes on {', '.join(nodes)} within {format_duration(seconds)}, {published} published"
    if faults := chain_faults(attempts, last, first):
        shown = "; ".join(faults[:_SHOWN])
        hint = "do not use this backend: two runs could overlap; check its mount, see BACKENDS in the manual"
        told += f"; mutual exclusion does not hold (errors: {len(faults)}): {shown}"
        return problem("verify", told, hint)
    if not published:
        return problem("verify", f"{told}: nothing was tested", "check whether the backend is slow or full")
    return ok("verify", f"{told}, each replacing the one before: mutual exclusion holds")


@contextmanager
def _alone(state: StateDir, chain: str) -> Iterator[None]:
    """Allow one verification at a time on this node: two would not know about each other's swaps."""
    with open(state.open(state.path("verify", chain), os.O_WRONLY), "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackendError("another --verify is running here", "wait until it has finished") from None
        yield


def _contend(storage: Storage, meeting: Meeting, seconds: float, folder: str) -> None:
    """Swap from several processes until the time is over; raises BackendError if one of them could not."""
    until = storage.clock.boot() + seconds
    writers = [f"{meeting.me}-{meeting.run}-{number}" for number in range(_CONTENDERS)]
    pids = [fork(partial(_swap, storage, meeting.chain, writer, until, folder)) for writer in writers]
    _wait_for(pids, until + storage.timeout, storage.clock)
    for name in sorted(os.listdir(folder)):
        if name.endswith(".error"):
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                raise BackendError(
                    file.read(), "check its limit of connections: other processes could use it"
                )


def _swap(storage: Storage, key: str, writer: str, until: float, folder: str) -> None:
    die_with_parent(signal.SIGKILL)

    def goes_on(number: int) -> bool:
        return number < _MOST and storage.clock.boot() < until

    try:
        backend = open_backend(storage.url, storage.clock, storage.state, Terms(storage.timeout))
        swap_often(backend, key, writer, goes_on, Log(f"{folder}/{writer}.log"))
    except CronguardError as error:
        with open(f"{folder}/{writer}.error", "w", encoding="utf-8") as file:
            file.write(str(error))


def _wait_for(pids: list[int], give_up_at: float, clock: Clock) -> None:
    """Reap the processes; those that hang are killed, and abandoned if even that does not help."""
    left = set(pids)
    while left and clock.boot() < give_up_at:
        left -= {pid for pid in left if os.waitpid(pid, os.WNOHANG)[0]}
        clock.sleep(0.02)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
