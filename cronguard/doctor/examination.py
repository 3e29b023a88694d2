"""The whole examination: one group of checks after another. If a group fails, the others still run."""

import os
from collections.abc import Callable, Iterable
from math import inf
from typing import Any, NamedTuple

from cronguard import __version__
from cronguard.config.files import read_files
from cronguard.config.settings import Settings
from cronguard.doctor import cluster
from cronguard.doctor.configuration import judge_passwords, password_files
from cronguard.doctor.finding import Finding, failed, ok, problem
from cronguard.doctor.jobs import judge_jobs
from cronguard.doctor.places import Places
from cronguard.doctor.share import judge_directory
from cronguard.doctor.state_folder import judge_state
from cronguard.doctor.store import Answers, judge_answers, root_of, touch
from cronguard.doctor.surroundings import judge_surroundings
from cronguard.model.timing import Timing
from cronguard.store.contract import Backend
from cronguard.store.gate import Gate
from cronguard.store.storage import Storage, in_child
from cronguard.system.clock import clock_name
from cronguard.system.errors import CronguardError, StoreRefusedError
from cronguard.system.host import machine_id, this_host


class Patient(NamedTuple):
    """The node: its settings, the configuration file if one was named, its backend, and where to look."""

    settings: Settings
    config: str | None
    storage: Storage
    places: Places


def examine_node(settings: Settings, places: Places) -> list[Finding]:
    """Run the checks that need neither a backend nor a valid configuration."""
    return survived("node", lambda: judge_surroundings(settings, places))


def examine_storage(patient: Patient) -> list[Finding]:
    """Check the state directory and the backend. Checks that can hang run in child processes, with the time limit."""
    state = survived("state-folder", lambda: _state(patient))
    unusable = judge_passwords(password_files(patient.settings.backend), os.geteuid())
    return [*state, *survived("earlier-runs", lambda: _earlier(patient)), *(unusable or _backend(patient))]


def _backend(patient: Patient) -> list[Finding]:
    """Check the backend, and the rest only if it answers: otherwise each check would fail alike, after the same time.

    If the backend was reached but cannot be used, its directory is checked as well: that may show why.
    """
    storage, settings = patient.storage, patient.settings
    try:
        told = storage.ask(lambda backend: touch(backend, settings.node, machine_id(), storage.clock))
    except StoreRefusedError as error:
        return [failed("backend", error), *survived("mount", lambda: _directory(patient))]
    except CronguardError as error:
        return [failed("backend", error)]
    return [
        *survived("backend", lambda: judge_answers(storage.url, Answers(*told), settings)),
        *survived("mount", lambda: _directory(patient)),
        *survived("records", lambda: _asked(patient, lambda b: judge_jobs(b, storage.clock.wall()))),
        *survived("nodes", lambda: _cluster(patient)),
    ]


def _state(patient: Patient) -> list[Finding]:
    storage = patient.storage
    try:
        found = in_child(lambda: judge_state(storage.state, patient.places), storage.timeout, storage.clock)
    except TimeoutError:
        told = f"{storage.state.base} does not answer"
        return [problem("state-folder", told, "check whether its disk hangs (dmesg, df)")]
    return _findings(found)


def _earlier(patient: Patient) -> list[Finding]:
    storage = patient.storage
    for lane in ("", " heartbeat"):
        Gate(storage.state, f"{storage.url}{lane}", storage.timeout, storage.clock).check()
    return [ok("earlier-runs", "no earlier run is stuck")]


def _directory(patient: Patient) -> list[Finding]:
    url = patient.storage.url
    root = root_of(url)
    if root is None:
        return []
    settings, mounts = patient.settings, patient.places.mounts
    run_for = Timing.of(settings.ttl, settings.kill_after).run_for
    return _findings(patient.storage.do(lambda: judge_directory(url, root, mounts, run_for)))


def _cluster(patient: Patient) -> list[Finding]:
    storage, settings, boot = patient.storage, patient.settings, clock_name()
    wall, now, host = storage.clock.wall(), storage.clock.boot(), this_host()
    begun = inf if host.begun is None else wall - (now - host.begun)
    me = cluster.Me(settings.node, host.machine, __version__, boot, begun, host.container)
    tables = (data for _, data in read_files(patient.config or os.environ.get("CRONGUARD_CONFIG")))
    is_needed = cluster.needs_heartbeat(settings.strategy, tables)

    def look(backend: Backend) -> list[Finding]:
        found = cluster.traces(backend, me, wall)
        beat = cluster.own_beat(backend, me.node)
        return [
            cluster.judge_machines(me, found),
            cluster.judge_versions(me, found),
            cluster.judge_heartbeat(beat, is_needed, boot, now, wall),
        ]

    return _asked(patient, look)


def _asked(patient: Patient, work: Callable[[Backend], list[Finding]]) -> list[Finding]:
    return _findings(patient.storage.ask(work))


def _findings(rows: Iterable[Iterable[Any]]) -> list[Finding]:
    """Return findings that a child process sent as JSON."""
    return [Finding(*row) for row in rows]


def survived(name: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """Return the findings of a group of checks; that it fails is a finding as well."""
    try:
        return look()
    except CronguardError as error:
        return [failed(name, error)]
    except Exception as error:  # noqa: BLE001 - the other groups must still run
        told = f"could not be checked: {type(error).__name__}: {error}"
        return [problem(name, told, "check whether it can be reached; if it can, this is a bug in cronguard")]
