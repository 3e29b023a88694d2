"""Whether the mount of a share is fit for lock files: it may be refused, or be slow to give back a dead node's locks."""

import os
from contextlib import suppress

from cronguard.store.contract import Terms
from cronguard.store.files import mounts
from cronguard.store.files.share import Share
from cronguard.system.clock import Clock
from cronguard.system.errors import StoreRefusedError
from cronguard.system.mounts import mount_of

_MOUNTS = "/proc/self/mountinfo"
_RECOVER_LOST_LOCKS = "/sys/module/nfs/parameters/recover_lost_locks"


def check_medium(share: Share, clock: Clock, terms: Terms) -> None:
    """Warn, once a day, of a ttl that is too short for an NFS server's locks.

    Raises StoreRefusedError on a mount whose locks do not reach other machines or can be lost unnoticed.
    """
    with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
        mountinfo = file.read()
    recover = ""
    with suppress(FileNotFoundError), open(_RECOVER_LOST_LOCKS, encoding="ascii") as file:
        recover = file.read()
    root = os.path.realpath(share.root)
    if why := mounts.refusal(mountinfo, root, recover):
        raise StoreRefusedError(why, mounts.INSTEAD)
    if told := mounts.too_short(mount_of(mountinfo, root), terms.run_for):
        share.tell_daily(f"{told}; {mounts.LONGER}", terms.warn, clock.wall())
