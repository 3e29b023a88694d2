"""Checks of the backend: whether it answers in time, whether this user can write to it, and its clock."""

import os
import time
from typing import NamedTuple

from cronguard.config.settings import Settings
from cronguard.doctor.finding import Finding, note, ok, problem, warning
from cronguard.doctor.visits import PREFIX, leave
from cronguard.model.duration import format_duration
from cronguard.model.timing import Timing
from cronguard.store.contract import Backend
from cronguard.store.url import without_secrets
from cronguard.system.clock import Clock

_SKEW = 60.0  # seconds: half of the smallest useful bound; a synchronised clock is off by far less
_DEFAULT_BOUND = 300.0  # seconds, if the check of clocks is switched off


class Answers(NamedTuple):
    """How long a read and a swap took; the backend's clock, and this node's clock before and after reading that."""

    read: float
    swap: float
    now: float | None
    before: float
    after: float


def touch(backend: Backend, node: str, machine: str, clock: Clock) -> Answers:
    """Read this node's entry, record a visit in it, and read the backend's clock; raises what the backend raises."""
    began = clock.boot()
    backend.read(f"{PREFIX}{node}")
    read = clock.boot()
    leave(backend, node, machine, clock.wall())
    swapped, before = clock.boot(), clock.wall()
    now = backend.now()
    return Answers(read - began, swapped - read, now, before, clock.wall())


def judge_answers(url: str, answers: Answers, settings: Settings) -> list[Finding]:
    """Judge how long the backend took, and the clocks."""
    return [
        _judge_speed(url, max(answers.read, answers.swap), Timing.of(settings.ttl, settings.kill_after)),
        _judge_limit(settings.backend_timeout, Timing.of(settings.ttl, settings.kill_after)),
        judge_clocks(answers.now, (answers.before + answers.after) / 2, settings.max_clock_skew),
    ]


def _judge_speed(url: str, seconds: float, timing: Timing) -> Finding:
    told = f"{without_secrets(url)} answers, and can be written to, within {seconds * 1000:.0f} ms"
    if seconds > timing.heartbeat:
        hint = "check the load of its server, or give jobs a longer ttl"
        return problem("backend", f"{told}, but a lease must be renewed every {timing.heartbeat:g}s", hint)
    if seconds > timing.heartbeat / 4:
        return warning(
            "backend", f"{told}, which is slow", "check the load of its server, and the network to it"
        )
    return ok("backend", told)


def _judge_limit(limit: float, timing: Timing) -> Finding:
    told = f"backend_timeout is {format_duration(limit)}; a job survives an outage of {format_duration(timing.run_for)}"
    if limit > timing.run_for:
        hint = f"set backend_timeout to {timing.run_for:g} or less: a run that waits longer is stopped anyway"
        return note("time-limit", told, hint)
    return ok("time-limit", told)


def judge_clocks(theirs: float | None, ours: float, bound: float | None) -> Finding:
    """Report that this node's clock and the backend's differ."""
    if theirs is None:
        return ok("clock", f"this node's clock says {_utc(ours)}; the backend has no clock")
    told = f"this node's clock says {_utc(ours)}, the backend's {_utc(theirs)}"
    hint = "set the clock (chronyc tracking, timedatectl)"
    most = _DEFAULT_BOUND if bound is None else bound
    if abs(ours - theirs) > most:
        return problem("clock", f"{told}: they differ by more than {format_duration(most)}", hint)
    if abs(ours - theirs) > min(_SKEW, most / 2):
        return warning("clock", f"{told}: they differ by {format_duration(abs(ours - theirs))}", hint)
    return ok("clock", told)


def _utc(wall: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall))


def root_of(url: str) -> str | None:
    """Return the directory of a backend that is a directory on this machine; None for other backends."""
    scheme, _, path = url.partition(":")
    return os.path.normpath(path) if scheme in ("dir", "file") else None
