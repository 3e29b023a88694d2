"""The backends and the lease with a rule switched off, and the row of the crash matrix that must find the fault."""

import errno
import os
from contextlib import suppress
from typing import NamedTuple

from contender import Rules
from store.version_stress import NoRenamingAway, NoSecondLook

from cronguard.lease.claim import held
from cronguard.lease.lease import Lease
from cronguard.store.files import slots, trash
from cronguard.store.files.directory import DirectoryBackend
from cronguard.store.files.file import FileBackend


class NoReadingBack(DirectoryBackend):
    """Trusts the report that a rename failed."""

    def _publish(self, staging, mine, data):
        try:
            self._port.rename(staging, mine)
        except OSError as error:
            self._discard(staging)
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise
        return True


class NoTakingBack(Lease):
    """Mistakes its own claim, whose answer was lost, for another's."""

    def _take_back(self, entry, record):
        return held(record)


class RecordAfterwards(DirectoryBackend):
    """Publishes a version before its record is in it."""

    def _stage(self, folder, data):
        staging = super()._stage(folder, data)
        self._port.unlink(f"{staging}/{trash.RECORD}")
        return staging

    def _publish(self, staging, mine, data):
        published = super()._publish(staging, mine, data)
        if published:
            self._port.write(f"{mine}/{trash.RECORD}", data)
        return published


class LookBeforeLocking(FileBackend):
    """Compares first, and holds the lock only for the write."""

    def _publish(self, new, over, path):
        with suppress(FileNotFoundError):
            fd = os.open(path, os.O_RDONLY)
            try:
                if slots.load(fd, path) not in over:
                    return False
            finally:
                os.close(fd)
        with self._locked(path) as fd:
            slots.store(fd, new.version, new.data)
        return True


class RuleOff(NamedTuple):
    """The rule that is switched off, the row of the matrix that must find it, and the violation found."""

    rule: str
    rules: Rules
    scheme: str
    step: str
    trouble: str
    finds: str
    slot: int = slots.SLOT


RULES_OFF = [
    RuleOff(
        "look again after publishing", Rules(dir=NoSecondLook),
        "dir", "claim", "hang, done two runs later", "both hold the lease",
    ),
    RuleOff(
        "rename away, then remove", Rules(dir=NoRenamingAway),
        "dir", "claim", "EIO, done a call later", "contains no record",
    ),
    RuleOff(
        "read back after a lost answer", Rules(dir=NoReadingBack, lease=NoTakingBack),
        "dir", "claim", "EEXIST after success", "it does not run",
    ),
    RuleOff(
        "a version is complete before it is published", Rules(dir=RecordAfterwards),
        "dir", "claim", "SIGKILL", "contains no record",
    ),
    RuleOff(
        "compare under the lock", Rules(file=LookBeforeLocking),
        "file", "claim", "hang, done two runs later", "both hold the lease",
    ),
    RuleOff(
        "two slots, written in turn", Rules(),
        "file", "renewal", "ENOSPC", "damaged", slot=0,
    ),
]  # fmt: skip
