"""A folder seen through a mount that fails as it is told: a FUSE pass-through, for tests of bad storage.

    with Mount(folder, at, faults) as mount:
        mount.faults.set(Fault("rename", "lose", errno=errno.EIO, times=1))

Two mounts of one folder, with long `attr_timeout`, `entry_timeout` and `negative_timeout`, are two NFS clients
with caches. This file is also the server: it is started as a program.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from fnmatch import fnmatch
from typing import NamedTuple

# What is done with a call: "fail" instead of doing it; "delay" it; "hang" until the fault is taken back, then
# do it; do it and "lose" the reply (report an error); do it and "hang-after", as if the reply never came; "kill"
# who calls, and do it all the same.
DOINGS = ("fail", "delay", "hang", "lose", "hang-after", "kill")


class Fault(NamedTuple):
    """What goes wrong with calls whose name and path match; with `times` so often only, after `skip` that go well."""

    call: str
    doing: str
    path: str = "*"
    errno: int = errno.EIO
    seconds: float = 0.0
    times: int | None = None
    skip: int = 0


class Faults:
    """The faults of a mount, in a file that its server reads again when it has changed."""

    def __init__(self, file):
        self._file = file
        self._sign = f"{file}.hung"
        self._version = None
        self._faults = []
        self._counts = {}
        self._lock = threading.Lock()

    def set(self, *faults):
        """Have these faults and no others from now on."""
        with suppress(FileNotFoundError):
            os.unlink(self._sign)
        aside = f"{self._file}.{os.getpid()}"
        with open(aside, "w", encoding="utf-8") as file:
            json.dump(faults, file)
        with suppress(FileNotFoundError):
            os.unlink(f"{self._file}.hits")
        os.replace(aside, self._file)

    def hits(self):
        """Return how many calls have matched since the faults were set, those that went well included."""
        try:
            return os.stat(f"{self._file}.hits").st_size
        except FileNotFoundError:
            return 0

    def clear(self):
        """Have no faults; what hangs goes on."""
        self.set()

    def of(self, call, path):
        """Return the fault that hits this call, if any."""
        with self._lock:
            self._load()
            hits = [f for f in self._faults if fnmatch(call, f.call) and fnmatch(path, f.path)]
            return next((fault for fault in hits if self._counts_in(fault)), None)

    def note_hang(self):
        """Leave a sign that a call hangs."""
        with open(self._sign, "w", encoding="utf-8"):
            pass

    def has_hung(self):
        """Return whether a call has hung since the faults were set."""
        return os.path.exists(self._sign)

    def lasts(self, fault):
        """Return whether the fault has not been taken back."""
        with self._lock:
            self._load()
            return fault in self._faults

    def _counts_in(self, fault):
        count = self._counts[fault] = self._counts.get(fault, 0) + 1
        with open(f"{self._file}.hits", "a", encoding="ascii") as hits:
            hits.write(".")
        return count > fault.skip and (fault.times is None or count <= fault.skip + fault.times)

    def _load(self):
        with suppress(FileNotFoundError):
            found = os.stat(self._file)
            if self._version != (found.st_ino, found.st_mtime_ns):
                self._version = (found.st_ino, found.st_mtime_ns)
                self._counts = {}
                with open(self._file, encoding="utf-8") as file:
                    self._faults = [Fault(*values) for values in json.load(file)]


class Mount:
    """A mounted pass-through; its server is ended, and whoever hangs on it let go, when it is closed."""

    def __init__(self, folder, at, faults, **options):
        self.path = str(at)
        self.faults = Faults(str(faults))
        self.faults.clear()
        os.makedirs(self.path, exist_ok=True)
        command = [sys.executable, __file__, str(folder), self.path, str(faults), json.dumps(options)]
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


class PassThrough:
    """The calls of a file system, done in another folder."""

    use_ns = True

    def __init__(self, folder, faults):
        self._folder = folder
        self._faults = faults
        for name in self.CALLS:
            setattr(self, name, self._faulty(name))

    def _faulty(self, name):
        work = getattr(self, f"_{name}")

        def call(path, *arguments):
            fault = self._faults.of(name, path)
            if fault is None:
                return work(self._folder + path, *arguments)
            return self._with_fault(fault, lambda: work(self._folder + path, *arguments))

        return call

    def _with_fault(self, fault, work):
        if fault.doing == "fail":
            raise OSError(fault.errno, "as told")
        if fault.doing == "delay":
            time.sleep(fault.seconds)
        if fault.doing == "hang":
            self._hang(fault)
        if fault.doing == "kill":
            _kill_caller()
        done = work()
        if fault.doing == "hang-after":
            self._hang(fault)
        if fault.doing == "lose":
            raise OSError(fault.errno, "done, but the reply is lost")
        return done

    def _hang(self, fault):
        self._faults.note_hang()
        while self._faults.lasts(fault):
            time.sleep(0.02)

    # fmt: off
    CALLS = (
        "getattr", "statfs", "readdir", "mkdir", "rmdir", "rename", "fsyncdir", "chmod", "chown", "utimens",
        "create", "open", "read", "write", "truncate", "flush", "fsync", "release", "unlink",
    )
    # fmt: on

    def _getattr(self, path, fh=None):
        found = os.lstat(path)
        names = [n for n in dir(found) if n.startswith("st_") and not n.endswith("_ns")]
        times = {n: getattr(found, f"{n}_ns") for n in ("st_atime", "st_mtime", "st_ctime")}
        return {n: getattr(found, n) for n in names} | times

    def _readdir(self, path, fh):
        return [".", "..", *os.listdir(path)]

    def _mkdir(self, path, mode):
        os.mkdir(path, mode)
        os.chmod(path, mode)

    def _rmdir(self, path):
        os.rmdir(path)

    def _unlink(self, path):
        os.unlink(path)

    def _rename(self, old, new):
        os.rename(old, self._folder + new)

    def _chmod(self, path, mode):
        os.chmod(path, mode)

    def _chown(self, path, uid, gid):
        os.chown(path, uid, gid)

    def _truncate(self, path, length, fh=None):
        os.truncate(path, length)

    def _utimens(self, path, times=None):
        os.utime(path, ns=times)

    def _create(self, path, mode, fi=None):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        os.fchmod(fd, mode & 0o7777)
        return fd

    def _open(self, path, flags):
        return os.open(path, flags & ~(os.O_CREAT | os.O_EXCL))

    def _read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def _write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def _flush(self, path, fh):
        return 0

    def _fsync(self, path, datasync, fh):
        os.fsync(fh)

    def _fsyncdir(self, path, datasync, fh):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _release(self, path, fh):
        os.close(fh)

    def _statfs(self, path):
        found = os.statvfs(path)
        return {
            name: getattr(found, name) for name in dir(found) if name.startswith("f_") and name != "f_fsid"
        }


def _kill_caller():
    import mfusepy

    pid = mfusepy.fuse_get_context()[2]
    if pid > 0:  # 0: the kernel's own, such as a release; it would be everybody
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def serve(folder, at, faults, options):
    """Be the server of a mount until it is ended."""
    import mfusepy

    os.umask(0)
    mfusepy.FUSE(
        PassThrough(folder, Faults(faults)),
        at,
        foreground=True,
        max_idle_threads=64,
        max_threads=64,
        **options,
    )


if __name__ == "__main__":
    serve(*sys.argv[1:4], json.loads(sys.argv[4]))
