"""Many contenders at once, as real processes: the chain of what they published, and the times they held a lease.

Not a count is checked but the chain of unique ids: a count can come out right by two errors.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading

import pytest
from fuzz_checks import chain_faults, hold_faults, read_attempts, read_holds
from fuzz_worker import JOB, KEY, WORK, Hasty, Log
from stores import STORES, make_store

from cronguard.record import decode

CONTENDERS = 8
WORKER = os.path.join(os.path.dirname(__file__), "fuzz_worker.py")
pytestmark = pytest.mark.slow


class Fuzz:
    """Contenders on one store, their logs in one folder."""

    def __init__(self, store, place):
        self.store, self.folder = store, place
        self.store.clock = Hasty()

    def start(self, work, writer, count):
        url = self.store.url_for(writer)
        command = [sys.executable, WORKER, work, url, self.folder, writer, str(count)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment())

    def processes(self, work, count):
        started = [self.start(work, f"web{n}", count) for n in range(CONTENDERS)]
        for process in started:  # they begin when they are all there
            process.stdin.close()
            process.stdin = None
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
        return (json.loads(entry.data)["id"] if entry.data else ""), entry.version


def _environment():
    root = os.path.dirname(os.path.dirname(os.path.dirname(WORKER)))
    return {**os.environ, "PYTHONPATH": root}


@pytest.fixture(params=[*STORES, "mixed"])
def fuzz(request, place, monkeypatch):
    return Fuzz(make_store(request.param, place, monkeypatch), place)


@pytest.fixture(params=["dir", "file", "mixed"])
def shared_fuzz(request, place, monkeypatch):
    return Fuzz(make_store(request.param, place, monkeypatch), place)


def test_swaps_from_many_at_once_make_one_chain(fuzz):
    fuzz.contend("swap", 60)
    attempts = fuzz.attempts()
    assert len(attempts) == CONTENDERS * 60
    assert [a for a in attempts if a.answer not in ("published", "none")] == []
    assert chain_faults(attempts, *fuzz.latest()) == []
    assert fuzz.latest()[1] >= 60


def test_a_lease_is_held_by_one_at_a_time_with_growing_tokens(fuzz):
    fuzz.contend("hold", 5)
    holds = fuzz.holds()
    assert len(holds) == CONTENDERS * 5
    assert hold_faults(holds) == []
    assert len({hold.node for hold in holds}) == CONTENDERS
    latest = decode(fuzz.store.open("judge").read(JOB.key).data, "the store")
    assert [run["token"] for run in latest.history] == sorted(hold.token for hold in holds)
    assert {run["state"] for run in latest.history} == {"done"}


def test_writers_killed_in_the_middle_break_no_chain(shared_fuzz):
    """At any moment, half-way through a write too: those that come after go on from what was published."""
    fuzz, dice = shared_fuzz, random.Random(1)
    for generation in range(3):
        writers = [fuzz.start("swap", f"web{n}-{generation}", 10_000) for n in range(CONTENDERS)]
        for process in writers:
            process.stdin.close()
        for process in writers:
            _wait_for_log(fuzz, writers, generation, dice.randrange(5, 40))
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stderr.close()
    assert chain_faults(fuzz.attempts(), *fuzz.latest()) == []
    backend = fuzz.store.open("judge")
    assert backend.swap(backend.read(KEY), b"{}")


def _wait_for_log(fuzz, writers, generation, more):
    """Let those who are left publish some more before the next of them is killed."""

    def written():
        logs = (f"{fuzz.folder}/web{n}-{generation}.log" for n in range(CONTENDERS))
        return sum(os.path.getsize(log) for log in logs if os.path.exists(log))

    until = written() + 150 * more
    while written() < until:
        assert any(process.poll() is None for process in writers)
