"""Faults in the calls of a mount. A test writes them to a file, and the mount's server reads it."""

import errno
import json
import os
import threading
import time
from contextlib import suppress
from fnmatch import fnmatch
from typing import NamedTuple


class Fault(NamedTuple):
    """A fault in calls whose name and path match. `skip` calls go well first; then at most `times` are affected.

    `doing` is what happens to a call:
    "note"       do it; it is only counted
    "fail"       report an error instead of doing it
    "fill"       report an error instead of doing it; half of a write is done, as on a disk that fills up
    "late"       report an error, and do it all the same when the fault is cleared
    "overdue"    report an error, and do it all the same after some more calls
    "delay"      do it after some seconds
    "hang"       do it when the fault is cleared
    "hang-fail"  report an error when the fault is cleared
    "hang-after" do it, and report it when the fault is cleared
    "lose"       do it, and report an error
    "kill"       kill the calling process, and do it all the same; half of it, if it is a write
    """

    call: str
    doing: str
    path: str = "*"
    errno: int = errno.EIO
    seconds: float = 0.0
    times: int | None = None
    skip: int = 0
    calls: int = 0


class Faults:
    """The faults of a mount, in a file that its server reads again when it has changed."""

    def __init__(self, file):
        self._file = file
        self._version = None
        self._faults = []
        self._counts = {}
        self._lock = threading.Lock()

    def set(self, *faults):
        """Replace all faults by these."""
        for sign in ("hung", "landed", "hits"):
            with suppress(FileNotFoundError):
                os.unlink(f"{self._file}.{sign}")
        self._replace(faults)

    def clear(self):
        """Remove all faults; hanging calls continue."""
        self._replace([])

    def hits(self):
        """Return the names of the calls that have matched since faults were set, even of those that succeeded."""
        try:
            with open(f"{self._file}.hits", encoding="ascii") as hits:
                return hits.read().split()
        except FileNotFoundError:
            return []

    def has_hung(self):
        """Return whether a call has hung since faults were set."""
        return os.path.exists(f"{self._file}.hung")

    def has_landed(self):
        """Return whether a call that was reported as failed has been done since."""
        return os.path.exists(f"{self._file}.landed")

    def of(self, call, path):
        """Return the fault for this call, if any."""
        with self._lock:
            self._load()
            hits = [f for f in self._faults if fnmatch(call, f.call) and fnmatch(path, f.path)]
            return next((fault for fault in hits if self._counts_in(fault, call)), None)

    def hang(self, fault):
        """Return when the fault has been cleared."""
        self._leave("hung")
        while self._lasts(fault):
            time.sleep(0.002)

    def note_landing(self):
        """Leave a sign that the call was carried out after all."""
        self._leave("landed")

    def _replace(self, faults):
        aside = f"{self._file}.{os.getpid()}"
        with open(aside, "w", encoding="utf-8") as file:
            json.dump(faults, file)
        os.replace(aside, self._file)

    def _leave(self, sign):
        with open(f"{self._file}.{sign}", "w", encoding="utf-8"):
            pass

    def _lasts(self, fault):
        with self._lock:
            self._load()
            return fault in self._faults

    def _counts_in(self, fault, call):
        count = self._counts[fault] = self._counts.get(fault, 0) + 1
        with open(f"{self._file}.hits", "a", encoding="ascii") as hits:
            hits.write(f"{call}\n")
        return count > fault.skip and (fault.times is None or count <= fault.skip + fault.times)

    def _load(self):
        with suppress(FileNotFoundError):
            found = os.stat(self._file)
            if self._version != (found.st_ino, found.st_mtime_ns):
                self._version = (found.st_ino, found.st_mtime_ns)
                self._counts = {}
                with open(self._file, encoding="utf-8") as file:
                    self._faults = [Fault(*values) for values in json.load(file)]
