"""Many contenders at once, as real processes: the chain of their records, and the periods for which they held a lease.

The chain of unique IDs is checked, not a count: two errors can make a count come out right.
"""

import os
import random
import signal

import pytest
from fuzz import CONTENDERS, Fuzz
from fuzz_checks import hold_faults
from fuzz_worker import JOB, KEY
from stores import PARAMS, make_store

from cronguard.doctor.chain import chain_faults
from cronguard.model.record import decode

pytestmark = pytest.mark.slow


@pytest.fixture(params=[*PARAMS, "mixed"])
def fuzz(request, place, monkeypatch):
    return Fuzz(make_store(request.param, place, monkeypatch), place)


# "mixed" includes ssh:.
@pytest.fixture(params=[*(param for param in PARAMS if param.values[0] not in ("memory", "ssh")), "mixed"])
def shared_fuzz(request, place, monkeypatch):
    return Fuzz(make_store(request.param, place, monkeypatch), place)


def test_simultaneous_swaps_make_one_chain(fuzz):
    fuzz.contend("swap", 60)
    attempts = fuzz.attempts()
    assert len(attempts) == CONTENDERS * 60
    assert [a for a in attempts if a.answer not in ("published", "none")] == []
    assert chain_faults(attempts, fuzz.latest()) == []
    assert fuzz.latest().version >= 60


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
    """They are killed at any moment, even half-way through a write. Later writers continue from the last version."""
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
    assert chain_faults(fuzz.attempts(), fuzz.latest()) == []
    backend = fuzz.store.open("judge")
    assert backend.swap(backend.read(KEY), b"{}")


def _wait_for_log(fuzz, writers, generation, more):
    """Let the remaining writers publish some more before the next one is killed."""

    def written():
        logs = (f"{fuzz.folder}/web{n}-{generation}.log" for n in range(CONTENDERS))
        return sum(os.path.getsize(log) for log in logs if os.path.exists(log))

    until = written() + 150 * more
    while written() < until:
        assert any(process.poll() is None for process in writers)
