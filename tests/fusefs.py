"""A folder behind a mount that fails on request, for tests with bad storage.

    with Mount(folder, at, faults) as mount:
        mount.faults.set(Fault("rename", "lose", errno=errno.EIO, times=1))

Two mounts of one folder, with long `attr_timeout`, `entry_timeout` and `negative_timeout`, behave like two NFS clients
with caches. Each mount has its own inodes, and so its own kernel locks, which a hung call holds. Every process that
uses the same directory through the same mount then hangs too, even the test. To avoid that, use the other mount.
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
    """A mounted pass-through. Closing it stops its server and releases every process that hangs on it."""

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
        self.server.kill()  # the kernel answers hanging calls with an error
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
