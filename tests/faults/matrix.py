"""One step of a lease on a mount whose n-th call goes wrong, and what the nodes make of it afterwards.

The step is done in a process of its own, by the project's own lease and backend; only the clock is ours, so that
watching a lease for its ttl takes no time.
"""

import errno
import json
import os
import select
import signal
import time
from contextlib import suppress

from fusefs import Fault

from cronguard.backends.directory import DirectoryBackend
from cronguard.backends.file import FileBackend
from cronguard.backends.share import Share
from cronguard.claim import Ask, Skip
from cronguard.errors import CronguardError
from cronguard.job import Job
from cronguard.lease import Grant, Lease
from cronguard.record import decode
from cronguard.seen import Sightings
from cronguard.statedir import StateDir
from cronguard.tick import Tick
from cronguard.timing import Timing, takeover_after

JOB = Job.of("faults", "job")
TTL = 30.0
FIRST = Tick.of(time.time())
FAULTS = {
    "EIO": ("fail", errno.EIO),
    "ESTALE": ("fail", errno.ESTALE),
    "ENOSPC": ("fail", errno.ENOSPC),
    "EEXIST after success": ("lose", errno.EEXIST),
    "hang": ("hang", 0),
    "SIGKILL": ("kill", 0),
}
_HANGING = 0.25  # seconds without an answer: the call is the one that hangs


class SteppedClock:
    """Time that passes only when somebody waits."""

    def __init__(self):
        self.ahead = 0.0

    def wall(self):
        return FIRST.epoch + 1.0 + self.ahead

    def boot(self):
        return 1000.0 + self.ahead

    def sleep(self, seconds):
        self.ahead += seconds


def lease(scheme, share, node, tick=FIRST, **rules):
    """Return a node's lease on the store, and its clock."""
    clock = SteppedClock()
    state = StateDir(f"{os.path.dirname(share)}/state", node)
    url = f"{scheme}:{share}"
    if scheme == "dir":
        backend = DirectoryBackend.open(url, clock, state)
    else:
        backend = FileBackend(Share(url, state), clock, is_any_mount_fine=True)
    ask = Ask(
        job=JOB, tick=tick, run=f"{node}-{os.urandom(4).hex()}", node=node, boot="boot", pid=1, user="root",
        program="job", timing=Timing.of(TTL, None), started=0.0, max_clock_skew=None, **rules,
    )  # fmt: skip
    return Lease(backend, ask, clock, Sightings(None, url, "boot", clock)), backend, clock


def claim(scheme, share):
    return lease(scheme, share, "web1")[0].acquire


def renewal(scheme, share):
    held = lease(scheme, share, "web1")[0]
    held.acquire()
    return held.renew


def settling(scheme, share):
    held = lease(scheme, share, "web1")[0]
    held.acquire()
    return lambda: held.settle("done", 0, 0.0)


def takeover(scheme, share):
    lease(scheme, share, "web0")[0].acquire()
    return lease(scheme, share, "web1", wait=2 * TTL)[0].acquire


STEPS = {"claim": claim, "renewal": renewal, "settling": settling, "takeover": takeover}


class Attempt:
    """The step, in a process that stands for node web1; `outcome` is None while it hangs, and when it was killed."""

    def __init__(self, scheme, share, step, faults, fault):
        self._reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            with suppress(BaseException):
                os.write(writer, json.dumps(_do(scheme, share, step, faults, fault)).encode())
            os._exit(0)
        os.close(writer)
        self.outcome = self._read(None if fault.doing != "hang" else _HANGING)

    def end(self):
        """Return what came of it in the end."""
        if self.outcome is None:
            self.outcome = self._read(None)
        os.close(self._reader)
        os.waitpid(self.pid, 0)
        return self.outcome

    def _read(self, limit):
        if not select.select([self._reader], [], [], limit)[0]:
            return None
        data = os.read(self._reader, 4096)
        return json.loads(data) if data else None


def _do(scheme, share, step, faults, fault):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    act = STEPS[step](scheme, share)
    faults.set(fault)
    try:
        answer = act()
    except CronguardError as error:
        return f"error: {error}"
    return type(answer).__name__ if not isinstance(answer, bool) else f"settled {answer}"


def try_case(scheme, step, mount, share, call, index, fault):
    """Do the step with this fault at this call; returns what came of it, and None when no such call was made.

    Raises AssertionError where two hold the lease, the record is unreadable, or the next tick does not run.
    """
    doing, number = FAULTS[fault]
    told = Fault(call, doing, path=f"/{os.path.basename(share)}/*", errno=number, times=1, skip=index)
    attempt = Attempt(scheme, share, step, mount.faults, told)
    hung = attempt.outcome is None and doing == "hang"
    meanwhile = _claim_elsewhere(scheme, share) if hung else None
    was_hit = mount.faults.hits() > index
    mount.faults.clear()
    outcome = attempt.end()
    assert not (outcome == "Grant" and meanwhile == "Grant"), "both hold the lease"
    _check(scheme, share, step, outcome)
    return outcome if was_hit else None


def _claim_elsewhere(scheme, share):
    try:
        answer = lease(scheme, share, "web2")[0].acquire()
    except CronguardError:
        return "error"
    return type(answer).__name__


def _check(scheme, share, step, outcome):
    _, backend, _ = lease(scheme, share, "web3")
    record = decode(backend.read(JOB.key).data, "the record")
    if outcome == "Grant":
        assert record and record.node == "web1" and record.is_running
        assert isinstance(lease(scheme, share, "web2")[0].acquire(), Skip), "both hold the lease"
    if outcome == "settled True":
        assert record and record.state == "done"
    later = Tick(FIRST.epoch + 60)
    following = lease(scheme, share, "web3", later, wait=2 * takeover_after(TTL))[0]
    assert isinstance(following.acquire(), Grant), "the next tick does not run"
    assert following.settle("done", 0, 0.0)
