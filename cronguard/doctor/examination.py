"""The whole examination: one group of checks after the other, each of which survives what happens to another."""

import os
from collections.abc import Callable, Iterable
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
from cronguard.heartbeat.heartbeat import machine_id
from cronguard.store.contract import Backend
from cronguard.store.gate import Gate
from cronguard.store.storage import Storage, in_child
from cronguard.system.clock import boot_id
from cronguard.system.errors import CronguardError, StoreRefusedError


class Patient(NamedTuple):
    """The node: its settings, the file they come from if one was named, its backend, and where to look."""

    settings: Settings
    config: str | None
    storage: Storage
    places: Places


def examine_node(settings: Settings, places: Places) -> list[Finding]:
    """Look at what needs no backend, and no valid configuration."""
    return survived("node", lambda: judge_surroundings(settings, places))


def examine_storage(patient: Patient) -> list[Finding]:
    """Look at the state folder and the backend. What can hang is done in children, with the time limit."""
    state = survived("state-folder", lambda: _state(patient))
    unusable = judge_passwords(password_files(patient.settings.backend), os.geteuid())
    return [*state, *survived("earlier-runs", lambda: _earlier(patient)), *(unusable or _backend(patient))]


def _backend(patient: Patient) -> list[Finding]:
    """Look at the rest only if it answers: all else would tell the same, after the same time.

    Its directory is looked at if it was reached and cannot be used: that may say why.
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
        told = f"{storage.state.root} does not answer"
        return [problem("state-folder", told, "see whether its disk hangs (dmesg, df)")]
    return _findings(found)


def _earlier(patient: Patient) -> list[Finding]:
    storage = patient.storage
    for lane in ("", " heartbeat"):
        Gate(storage.state, f"{storage.url}{lane}", storage.timeout, storage.clock).check()
    return [ok("earlier-runs", "no earlier run hangs")]


def _directory(patient: Patient) -> list[Finding]:
    url = patient.storage.url
    root = root_of(url)
    if root is None:
        return []
    return _findings(patient.storage.do(lambda: judge_directory(url, root, patient.places.mounts)))


def _cluster(patient: Patient) -> list[Finding]:
    storage, settings, boot = patient.storage, patient.settings, boot_id()
    wall, now = storage.clock.wall(), storage.clock.boot()
    me = cluster.Me(settings.node, machine_id(), __version__, boot, wall - now)
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
    """Return what has come back from a child as JSON."""
    return [Finding(*row) for row in rows]


def survived(name: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """Return what a group finds; that it cannot be looked at is a finding, too."""
    try:
        return look()
    except CronguardError as error:
        return [failed(name, error)]
    except Exception as error:  # noqa: BLE001 - the other groups are to be looked at all the same
        told = f"it could not be looked at: {type(error).__name__}: {error}"
        return [problem(name, told, "see whether it is out of reach; else this is a bug in cronguard")]
