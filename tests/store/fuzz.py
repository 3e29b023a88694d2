"""Contenders on one store, each a separate process (or a thread, for the memory store), and their logs."""

import os
import subprocess
import sys
import threading

from fuzz_checks import read_holds
from fuzz_worker import KEY, WORK, Hasty

from cronguard.doctor.contender import Log, end_of, read_attempts

CONTENDERS = 8
WORKER = os.path.join(os.path.dirname(__file__), "fuzz_worker.py")


class Fuzz:
    """Contenders on one store, their logs in one folder."""

    def __init__(self, store, place):
        self.store, self.folder = store, place
        self.store.clock = Hasty()

    def start(self, work, writer, count):
        url = self.store.url_for(writer)
        command = [sys.executable, WORKER, work, url, self.folder, writer, str(count)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment())

    def processes(self, work, count, meanwhile=lambda: None):
        started = [self.start(work, f"web{n}", count) for n in range(CONTENDERS)]
        for process in started:  # they start once all of them exist
            process.stdin.close()
            process.stdin = None
        meanwhile()
        told = [process.communicate()[1].decode() for process in started]
        assert told == [""] * CONTENDERS

    def threads(self, work, count):
        backend, start = self.store.open(), threading.Barrier(CONTENDERS)

        def contend(writer):
            log = Log(f"{self.folder}/{writer}.log")
            start.wait()
            WORK[work](backend, writer, count, log)

        threads = [threading.Thread(target=contend, args=(f"web{n}",)) for n in range(CONTENDERS)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    def contend(self, work, count):
        return self.processes(work, count) if hasattr(self.store, "url") else self.threads(work, count)

    def attempts(self):
        return read_attempts(self.folder)

    def holds(self):
        return read_holds(self.folder)

    def latest(self):
        entry = self.store.open("judge").read(KEY)
        return end_of(entry.data, entry.version)


def _environment():
    root = os.path.dirname(os.path.dirname(os.path.dirname(WORKER)))
    return {**os.environ, "PYTHONPATH": root}
