"""A folder seen through a mount that fails as it is told, for tests of bad storage.

    with Mount(folder, at, faults) as mount:
        mount.faults.set(Fault("rename", "lose", errno=errno.EIO, times=1))

Two mounts of one folder, with long `attr_timeout`, `entry_timeout` and `negative_timeout`, are two NFS clients
with caches. Each has inodes of its own, and so the locks that a hung call holds in the kernel: whoever touches the same
directory through the same mount waits with it, be it the test. Whoever must not hang uses the other mount.
"""

import json
import os
import subprocess
import sys
import time

import passthrough
from storage_faults import Fault, Faults

__all__ = ["Fault", "Mount", "reason_not_to_mount"]


class Mount:
    """A mounted pass-through; its server is ended, and whoever hangs on it let go, when it is closed."""

    def __init__(self, folder, at, faults, **options):
        self.path = str(at)
        self.faults = Faults(str(faults))
        self.faults.clear()
        os.makedirs(self.path, exist_ok=True)
        command = [
            sys.executable,
            passthrough.__file__,
            str(folder),
            self.path,
            str(faults),
            json.dumps(options),
        ]
        self.server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        give_up_at = time.monotonic() + 30
        while not os.path.ismount(self.path):
            if self.server.poll() is not None or time.monotonic() > give_up_at:
                raise OSError(f"{self.path} could not be mounted")
            time.sleep(0.02)

    def close(self):
        self.faults.clear()
        self.server.kill()  # the kernel answers what hangs with an error
        self.server.wait()
        unmount = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount3", "-u", "-z"]
        subprocess.run([*unmount, self.path], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


def reason_not_to_mount():
    """Return why nothing can be mounted here, None if it can."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "there is no /dev/fuse for this user"
    try:
        import mfusepy  # noqa: F401
    except (ImportError, OSError) as error:
        return f"mfusepy cannot be used: {error}"
    return None
