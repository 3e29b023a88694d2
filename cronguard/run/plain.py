"""Runs a command as a guarded run would, but without a lease."""

import os
from collections.abc import Mapping, Sequence

from cronguard.run.clean import start_clean
from cronguard.run.limits import TIMED_OUT, Limits
from cronguard.run.offspring import Offspring
from cronguard.run.process import Process
from cronguard.run.supervisor import Supervisor
from cronguard.system import linux, proctree
from cronguard.system.clock import Clock
from cronguard.system.program import find_program
from cronguard.system.signals import Signals

_KILL_AFTER = 10.0  # seconds: the same as in a guarded run with the default ttl


def run_plain(argv: Sequence[str], env: Mapping[str, str], limit: float | None) -> int:
    """Run a command for at most `limit` seconds and return its exit status, or 124 if it was stopped.

    It inherits our streams and our terminal, signals are forwarded to it, and stopping it stops its whole process
    tree. Raises CommandNotFoundError and CommandNotExecutableError.
    """
    start_clean()
    linux.become_subreaper()
    signals = Signals()
    process = Process(find_program(argv[0], env.get("PATH")), argv, env)
    process.release()
    limits = Limits(kill_after=_KILL_AFTER, timeout=limit)
    offspring = Offspring(process.pid, proctree)
    ending = Supervisor(process, offspring, signals, limits, Clock(), os.urandom(8).hex()).watch()
    process.reap()
    if failure := process.exec_failure():
        raise failure
    return TIMED_OUT if ending.cause else ending.status
