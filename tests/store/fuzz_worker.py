"""One contender of the fuzz: a process (or a thread, for the memory store) that logs its actions and the answers."""

import os
import random
import sys
import time

from cronguard.advice.advice import Advice
from cronguard.doctor import contender
from cronguard.doctor.contender import Log
from cronguard.lease.claim import Ask, Skip
from cronguard.lease.grant import Grant
from cronguard.lease.lease import Lease
from cronguard.lease.seen import Sightings
from cronguard.model.job import Job
from cronguard.model.tick import Tick
from cronguard.model.timing import Timing
from cronguard.store.contract import open_backend
from cronguard.system.clock import Clock, clock_name
from cronguard.system.statedir import StateDir
from cronguard.turns.turn import Strategy

KEY = "fuzz/billing/chain"
JOB = Job("billing", "mutex")
ROUND = Job("billing", "round")
FAR = 600.0  # a head start that no test waits for: a node that runs out of turn has lost its place


class Hasty(Clock):
    """Polls far more often than a node would, so that many hand-overs fit into a test."""

    def sleep(self, seconds):
        time.sleep(min(max(0.0, seconds), 0.003))


def swap_often(backend, writer, count, log):
    """Publish records, each of which names the record that it replaces."""
    contender.swap_often(backend, KEY, writer, lambda number: number < count, log)


def hold_often(backend, writer, count, log):
    """Claim a job's lease, work for a moment, and settle."""
    clock, dice = Hasty(), random.Random(writer)
    for number in range(count):
        lease = Lease(
            backend, _ask(writer, number, clock), clock, Sightings(None, "fuzz", clock_name(), clock)
        )
        grant = lease.acquire()
        assert isinstance(grant, Grant), grant
        log.write(run=number, node=writer, token=grant.token, started=_boot_ns())
        time.sleep(dice.choice([0, 0.0005, 0.002]))
        if dice.random() < 0.3:
            renewed = lease.renew()
            assert isinstance(renewed, Grant), renewed
        log.write(run=number, stopped=_boot_ns())
        lease.settle("done", 0, clock.boot() + 60)


def take_turns(backend, writer, count, log):
    """Take part in each tick of a job's round robin: the node in turn claims the lease, and the others wait for it."""
    clock, dice = Hasty(), random.Random(writer)
    strategy = Strategy("round-robin", writer, head_start=FAR)
    for number in range(count):
        ask = _ask(writer, number, clock)._replace(
            job=ROUND, tick=Tick(60 * (number + 1)), every_run=False, max_clock_skew=None
        )
        sightings, advice = (
            Sightings(None, "fuzz", clock_name(), clock),
            Advice(backend, ask, strategy, clock),
        )
        lease = Lease(backend, ask, clock, sightings, advise=advice, patience=24.0)
        grant = lease.acquire()
        if isinstance(grant, Skip):
            assert grant.reason in ("already-ran", "superseded"), grant
            continue
        log.write(run=number, node=writer, tick=number, token=grant.token, started=_boot_ns())
        time.sleep(dice.choice([0, 0.01, 0.05]))
        log.write(run=number, stopped=_boot_ns())
        lease.settle("done", 0, clock.boot() + 60)


def _boot_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _ask(writer, number, clock):
    return Ask(
        job=JOB,
        tick=Tick.of(clock.wall()),
        run=f"{writer}-{number}",
        node=writer,
        boot=clock_name(),
        pid=os.getpid(),
        user="app",
        program="true",
        timing=Timing.of(120.0, None),
        started=clock.boot(),
        every_run=True,
        wait=100.0,
    )


WORK = {"swap": swap_often, "hold": hold_often, "turns": take_turns}


def main(work, url, folder, writer, count):
    """Work on the store that the URL names; the parent starts all contenders at once by closing stdin."""
    state = StateDir(
        f"{folder}/state-{writer}", writer
    )  # each writer is a node: they share nothing but the store
    backend = open_backend(url, Hasty(), state)
    log = Log(f"{folder}/{writer}.log")
    sys.stdin.read()
    WORK[work](backend, writer, int(count), log)


if __name__ == "__main__":
    main(*sys.argv[1:])
