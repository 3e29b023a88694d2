"""Contenders on one store, as processes of their own (or threads, on memory), and what they logged."""

import json
import os
import subprocess
import sys
import threading

from fuzz_checks import Attempt, Hold
from fuzz_worker import KEY, WORK, Hasty, Log

CONTENDERS = 8
WORKER = os.path.join(os.path.dirname(__file__), "fuzz_worker.py")


class Fuzz:
    """Contenders on one store, their logs in one folder."""

    def __init__(self, store, place):
        self.store, self.folder = store, place
        self.store.clock = Hasty()

    def start(self, work, writer, count):
        command = [sys.executable, WORKER, work, self.store.url, self.folder, writer, str(count)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment())

    def processes(self, work, count, meanwhile=lambda: None):
        started = [self.start(work, f"web{n}", count) for n in range(CONTENDERS)]
        for process in started:  # they begin when they are all there
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

    def logged(self, name):
        """All lines of all logs, those of one thing put together."""
        things = {}
        for log in sorted(entry for entry in os.listdir(self.folder) if entry.endswith(".log")):
            with open(f"{self.folder}/{log}", encoding="utf-8") as file:
                for line in file:
                    facts = json.loads(line)
                    things.setdefault((log, facts.pop(name)), {name: facts.get(name)}).update(facts)
        return things

    def attempts(self):
        return [
            Attempt(
                id_,
                a["replaces"],
                a["over"],
                a["began"],
                a.get("ended"),
                a.get("answer", "unknown"),
                a.get("version"),
            )
            for (_, id_), a in self.logged("id").items()
        ]

    def holds(self):
        return [
            Hold(h["node"], h["token"], h["started"], h.get("stopped")) for h in self.logged("run").values()
        ]

    def latest(self):
        entry = self.store.open("judge").read(KEY)
        return (json.loads(entry.data)["id"] if entry.data else ""), entry.version


def _environment():
    root = os.path.dirname(os.path.dirname(os.path.dirname(WORKER)))
    return {**os.environ, "PYTHONPATH": root}
