"""A node that claims the lease: the project's own lease and backends, on a clock that all nodes of a case share."""

import mmap
import os
import struct
import time
from typing import NamedTuple

from cronguard.lease.claim import Ask
from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings
from cronguard.model.job import Job
from cronguard.model.tick import Tick
from cronguard.model.timing import Timing, takeover_after
from cronguard.store.files.directory import DirectoryBackend
from cronguard.store.files.file import FileBackend
from cronguard.store.files.share import Share
from cronguard.system.statedir import StateDir

JOB = Job.of("faults", "job")
TTL = 30.0
START = 1000.0  # on all boot clocks
RUN_FOR = Timing.of(TTL, None).run_for
PATIENCE = 3 * takeover_after(TTL)
FIRST = Tick.of(time.time())
SECOND, THIRD = Tick(FIRST.epoch + 60), Tick(FIRST.epoch + 120)


class SharedClock:
    """One clock for all processes of a case. It advances when a process sleeps, and a little when one reads it."""

    # A sleep may end late. If it always does, each record is read at three moments instead of fifty.
    LATE = 20.0
    LOOK = 0.001

    def __init__(self):
        self._ahead = mmap.mmap(-1, 8)

    def wall(self):
        return FIRST.epoch + 1.0 + self._pass(0.0)

    def boot(self):
        return START + self._pass(self.LOOK)

    def sleep(self, seconds):
        self._pass(seconds + self.LATE)

    def _pass(self, seconds):
        ahead = struct.unpack("d", self._ahead[:])[0] + seconds
        self._ahead[:] = struct.pack("d", ahead)
        return ahead


class Rules(NamedTuple):
    """The code under test, or its replacement with a rule switched off."""

    dir: type = DirectoryBackend
    file: type = FileBackend
    lease: type = Lease


def open_backend(rules, scheme, share, clock, state):
    url = f"{scheme}:{share}"
    if scheme == "dir":
        return rules.dir(Share(url, state), clock)
    return rules.file(Share(url, state), clock, is_any_mount_fine=True)


def contend(rules, scheme, share, clock, node, tick, wait=PATIENCE):
    """Return a node's lease; nothing is requested yet."""
    state = StateDir(f"{os.path.dirname(os.path.dirname(share))}/state/{os.path.basename(share)}", node)
    ask = Ask(
        job=JOB, tick=tick, run=f"{node}-{os.urandom(4).hex()}", node=node, boot="boot", pid=1, user="root",
        program="job", timing=Timing.of(TTL, None), started=0.0, max_clock_skew=None, wait=wait,
    )  # fmt: skip
    backend = open_backend(rules, scheme, share, clock, state)
    return rules.lease(backend, ask, clock, Sightings(None, scheme, "boot", clock))
