"""The server of a mount that fails on request: a FUSE file system that carries out its calls in another folder.

`fusefs.Mount` starts it as a program. It ends with the process that started it, and releases hanging processes.
"""

import fcntl
import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress

from power_loss import Journal
from storage_faults import Faults

# After an error was reported, a server may still carry out the call later. A file that was closed meanwhile is no
# longer written to, so only calls that change names can be late.
LATE = ("mkdir", "rmdir", "rename", "create", "unlink", "link")

_PR_SET_PDEATHSIG = 1
_ATTRIBUTES = {name: name for name in ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")} | {
    name: f"{name}_ns" for name in ("st_atime", "st_mtime", "st_ctime")
}


class PassThrough:
    """The calls of a file system, carried out in another folder."""

    use_ns = True

    def __init__(self, folder, faults, journal=None):
        self._folder = folder
        self._faults = faults
        self._journal = journal  # what a power loss would leave, if a test asks for that
        self._overdue = []  # calls that were reported as failed, and after how many more each is carried out
        for name in self.CALLS:
            setattr(self, name, self._faulty(name))

    def _faulty(self, name):
        work = getattr(self, f"_{name}")

        def call(path, *arguments):
            self._carry_out_overdue()
            fault = self._faults.of(name, path or "")
            done = self._folder + (path or "")
            if fault is None:
                return work(done, *arguments)
            if name == "write" and fault.doing in ("fill", "kill"):
                arguments = _halved(*arguments)
            return self._with_fault(fault, name, lambda: work(done, *arguments))

        return call

    def _with_fault(self, fault, name, work):
        doing = fault.doing
        if doing == "overdue" and name in LATE:
            self._overdue.append((fault.calls, work))
        if doing == "late" and name in LATE:
            threading.Thread(target=self._carry_out_late, args=[fault, work], daemon=True).start()
        if doing in ("fail", "late", "overdue") or (doing == "fill" and name != "write"):
            raise OSError(fault.errno, "as told")
        if doing == "delay":
            time.sleep(fault.seconds)
        if doing in ("hang", "hang-fail"):
            self._faults.hang(fault)
        if doing == "hang-fail":
            raise OSError(fault.errno, "given up")
        if doing == "kill":
            _kill_caller()
        done = work()
        if doing == "hang-after":
            self._faults.hang(fault)
        if doing in ("lose", "fill"):
            raise OSError(fault.errno, "done, or half of it, but an error is reported")
        return done

    def _carry_out_overdue(self):
        overdue, self._overdue = self._overdue, []
        for calls, work in overdue:
            if calls:
                self._overdue.append((calls - 1, work))
                continue
            with suppress(OSError):
                work()

    def _carry_out_late(self, fault, work):
        self._faults.hang(fault)
        with suppress(OSError):
            work()
        self._faults.note_landing()

    # fmt: off
    CALLS = (
        "getattr", "statfs", "readdir", "mkdir", "rmdir", "rename", "fsyncdir", "chmod", "chown", "utimens",
        "create", "open", "read", "write", "truncate", "flush", "fsync", "flock", "release", "unlink", "link",
    )
    # fmt: on

    def _getattr(self, path, fh=None):
        found = os.lstat(path)
        return {name: getattr(found, field) for name, field in _ATTRIBUTES.items()}

    def _readdir(self, path, fh):
        return [".", "..", *os.listdir(path)]

    def _mkdir(self, path, mode):
        os.mkdir(path, mode)
        os.chmod(path, mode)
        if self._journal:
            self._journal.made(path)

    def _rmdir(self, path):
        os.rmdir(path)

    def _unlink(self, path):
        os.unlink(path)

    def _link(self, new, old):
        os.link(self._folder + old, new)

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
        if self._journal:
            self._journal.made(path)
        return fd

    def _open(self, path, flags):
        return os.open(path, flags & ~(os.O_CREAT | os.O_EXCL))

    def _read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def _write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def _flush(self, path, fh):
        return 0

    def _flock(self, path, fh, operation):
        fcntl.flock(fh, operation)
        _forget_cached(path[len(self._folder) :])

    def _fsync(self, path, datasync, fh):
        """Do nothing, except in tests of a power loss: a disk's fsync would take most of a test's time."""
        if self._journal:
            self._journal.synced_file(path, fh)

    def _fsyncdir(self, path, datasync, fh):
        """Do nothing, for the same reason."""
        if self._journal:
            self._journal.synced_folder(path)

    def _release(self, path, fh):
        os.close(fh)

    def _statfs(self, path):
        found = os.statvfs(path)
        return {
            name: getattr(found, name) for name in dir(found) if name.startswith("f_") and name != "f_fsid"
        }


def _halved(data, *others):
    return data[: len(data) // 2], *others


def _forget_cached(path):
    """Drop the kernel's cache of a file, as an NFS client does when it gets the file's lock."""
    import ctypes

    import mfusepy

    library = mfusepy._libfuse
    library.fuse_invalidate_path.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.fuse_invalidate_path(library.fuse_get_context().contents.fuse, os.fsencode(path))


def _kill_caller():
    import mfusepy

    pid = mfusepy.fuse_get_context()[2]
    if (
        pid > 0
    ):  # 0 is a call of the kernel, for example a release; killing 0 would kill the whole process group
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def serve(folder, at, faults, options):
    """Serve a mount until this process or its parent is killed."""
    import ctypes

    import mfusepy

    os.umask(0)
    journal = Journal(**options.pop("journal")) if "journal" in options else None
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    mfusepy.FUSE(
        PassThrough(folder, Faults(faults), journal),
        at,
        foreground=True,
        max_idle_threads=64,
        max_threads=64,
        **options,
    )


if __name__ == "__main__":
    serve(*sys.argv[1:4], json.loads(sys.argv[4]))
