"""What a swap has reported as published survives a power loss of the storage, with everything that leads to it."""

import os

import pytest
from contender import FIRST, Rules, SharedClock, contend, open_backend
from fusefs import Mount, reason_not_to_mount
from power_loss import moments, restored

from cronguard.lease.grant import Grant
from cronguard.model.record import decode
from cronguard.model.tick import Tick
from cronguard.system.statedir import StateDir

KEY = "lease/faults/job"
RUNS = 4


@pytest.fixture
def disk(request, tmp_path):
    if reason := reason_not_to_mount():
        pytest.skip(reason)
    (tmp_path / "disk").mkdir()
    journal = {"path": str(tmp_path / "journal"), "is_strict": request.param == "strict"}
    with Mount(tmp_path / "disk", tmp_path / "mnt", tmp_path / "faults", journal=journal) as mount:
        yield Disk(tmp_path, mount)


class Disk:
    """A mounted share, and what is left of it after a power loss."""

    def __init__(self, top, mount):
        self._top, self._journal = top, str(top / "journal")
        self.share = f"{mount.path}/share"
        os.mkdir(self.share)
        fd = os.open(self.share, os.O_RDONLY)
        os.fsync(fd)  # the share itself is there, and is the first thing in the journal
        os.close(fd)

    def now(self):
        return moments(self._journal)

    def lost_power(self, moment):
        """Return the share as the machine finds it after a power loss at this moment."""
        folder = str(self._top / f"after-{moment}")
        restored(self._journal, 1, folder, moment)
        return folder


@pytest.mark.parametrize(
    ("scheme", "disk"), [("dir", "journaling"), ("file", "journaling"), ("file", "strict")], indirect=["disk"]
)
def test_what_was_published_survives_a_power_loss_at_any_moment(disk, scheme):
    clock, published = SharedClock(), {disk.now(): None}

    def note(backend):
        entry = backend.read(KEY)
        published[disk.now()] = entry.version, decode(entry.data, KEY)

    for number in range(RUNS):
        node = contend(Rules(), scheme, disk.share, clock, "web1", Tick(FIRST.epoch + 60 * number), wait=0.0)
        assert isinstance(node.acquire(), Grant)
        note(node._backend)
        assert isinstance(node.renew(), Grant)
        note(node._backend)
        assert node.settle("done", 0, 0.0)
        note(node._backend)
    for moment in range(min(published), disk.now() + 1):
        share = disk.lost_power(moment)
        left = open_backend(Rules(), scheme, share, clock, StateDir(f"{share}-state", "web2"))
        entry = left.read(KEY)
        known = [said for at, said in published.items() if at <= moment][-1]
        if known:
            assert entry.version >= known[0], f"at moment {moment}"
            assert decode(entry.data, KEY).token >= known[1].token
        assert left.swap(entry, b"the next") is not None
