"""One step of a lease on a mount whose n-th call goes wrong, and what the nodes make of it afterwards.

The step is done in a process of its own, by the project's own lease and backend; only the clock is ours, so that
watching a lease for its ttl takes no time.
"""

import errno
import os
import select
import signal
import time
from contextlib import suppress

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
    "SIGKILL": ("kill", 0),
}
_HANGING = 0.1  # seconds without an answer: the call is the one that hangs, or a slow one, which does no harm
_PATIENCE = 60.0


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


class Child:
    """Work done in a process of its own: on a mount that hangs, the caller would hang too.

    `outcome` is None as long as there is none, and when the process was killed.
    """

    def __init__(self, work, limit):
        self._reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            with suppress(BaseException):
                os.write(writer, _told(work).encode())
            os._exit(0)
        os.close(writer)
        self.outcome = self._read(limit)

    def end(self):
        """Return what came of it in the end."""
        self.outcome = self.outcome or self._read(_PATIENCE)
        os.close(self._reader)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return self.outcome

    def _read(self, limit):
        if not select.select([self._reader], [], [], limit)[0]:
            return None
        return os.read(self._reader, 4096).decode() or None


def _told(work):
    try:
        answer = work()
    except CronguardError as error:
        return f"error: {error}"[:4000]
    return f"settled {answer}" if isinstance(answer, bool) else type(answer).__name__


def try_case(scheme, step, mount, share, told, *, is_hang=False):
    """Do the step with this fault; returns what came of it, and None when no call was hit.

    Raises AssertionError where two hold the lease, the record is unreadable, or the next tick does not run.
    """

    def do_the_step():
        act = STEPS[step](scheme, share)
        mount.faults.set(told)
        return act()

    first = Child(do_the_step, _HANGING if is_hang else _PATIENCE)
    second = Child(lease(scheme, share, "web2")[0].acquire, _HANGING) if is_hang else None
    was_hit = mount.faults.hits() > told.skip
    mount.faults.clear()
    outcome, elsewhere = first.end(), second.end() if second else None
    assert not (outcome == "Grant" and elsewhere == "Grant"), "both hold the lease"
    check = Child(lambda: _check(scheme, share, outcome), _PATIENCE).end()
    assert check == "settled True", check
    return outcome or "killed" if was_hit else None


def _check(scheme, share, outcome):
    """Look from another node at what is left, and run the next tick there; True when all is well."""
    _, backend, _ = lease(scheme, share, "web3")
    record = decode(backend.read(JOB.key).data, "the record")
    if outcome == "Grant":
        is_held = record and record.node == "web1" and record.is_running
        if not is_held or not isinstance(lease(scheme, share, "web2")[0].acquire(), Skip):
            raise CronguardError("what was granted is not held")
    if outcome == "settled True" and record.node == "web1" and record.state != "done":
        raise CronguardError("what was settled is not")
    later = Tick(FIRST.epoch + 60)
    following = lease(scheme, share, "web3", later, wait=2 * takeover_after(TTL))[0]
    if not isinstance(following.acquire(), Grant):
        raise CronguardError("the next tick does not run")
    return following.settle("done", 0, 0.0)
