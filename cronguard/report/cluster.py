"""The nodes of a backend and the queues of its jobs, as rows for people and programs."""

from collections.abc import Sequence
from typing import Any

from cronguard.model import rotation, waiters
from cronguard.model.beat import DOWN, PREFIX, UNKNOWN, UP, Beat, Opinion, decode
from cronguard.model.job import Job
from cronguard.model.record import Record
from cronguard.model.record import decode as decode_lease
from cronguard.store.contract import Backend
from cronguard.system.errors import StoreRefusedError


def nodes(backend: Backend, known: tuple[str, ...], wall: float) -> list[dict[str, Any]]:
    """Return a row for each node in the store, and for each configured node that has never been seen."""
    beats, broken = _beats(backend)
    jobs = _jobs(backend)
    rows = [_node(beats.get(name, Beat(name)), beats, jobs, wall) for name in sorted({*beats, *known})]
    return rows + [
        {"node": name, "state": "unreadable", "problem": problem} for name, problem in broken.items()
    ]


def queues(backend: Backend, ns: str | None) -> list[dict[str, Any]]:
    """Return a row for each job with a queue or with waiting runs. Queues are shown as the next run will find them."""
    found: dict[str, dict[str, Any]] = {}
    for kind in ("queue", "waiters"):
        for entry in backend.scan(f"{kind}/{ns}/" if ns else f"{kind}/"):
            job = entry.key.partition("/")[2]
            row = found.setdefault(job, {"job": job, "queue": [], "waiting": [], "last": None})
            try:
                row |= (
                    _queue(backend, job, entry.data)
                    if kind == "queue"
                    else _waiting(backend, job, entry.data)
                )
            except StoreRefusedError as error:
                row["problem"] = str(error)
    return [row for _, row in sorted(found.items()) if row["queue"] or row["waiting"] or "problem" in row]


def _beats(backend: Backend) -> tuple[dict[str, Beat], dict[str, str]]:
    beats, broken = {}, {}
    for entry in backend.scan(PREFIX):
        name = entry.key.removeprefix(PREFIX)
        try:
            if beat := decode(entry.data, name):
                beats[name] = beat
        except StoreRefusedError as error:
            broken[name] = str(error)
    return beats, broken


def _jobs(backend: Backend) -> dict[str, list[str]]:
    jobs: dict[str, list[str]] = {}
    for entry in backend.scan("lease/"):
        try:
            record = decode_lease(entry.data, entry.key)
        except StoreRefusedError:
            continue
        if record and record.is_running:
            jobs.setdefault(record.node, []).append(record.job)
    return jobs


def _node(beat: Beat, beats: dict[str, Beat], jobs: dict[str, list[str]], wall: float) -> dict[str, Any]:
    pause = beat.paused(wall)
    seen = {name: other.opinions[beat.node] for name, other in beats.items() if beat.node in other.opinions}
    recent = {name: opinion for name, opinion in seen.items() if beats[name].is_recent(wall)}
    states = {opinion.state for opinion in recent.values()} - {UNKNOWN}
    verdicts = {name: opinion._asdict() for name, opinion in recent.items()}
    state = _state(beat, states, wall)
    return {
        "node": beat.node,
        "state": state,
        "beat": beat.wall if beat.beat else None,
        "age": round(wall - beat.wall, 1) if beat.beat else None,
        "every": beat.every if beat.beat else None,
        "machine": beat.machine or None,
        "fit": beat.is_fit,
        "checks": beat.checks,
        "details": beat.details,
        "seen_by": verdicts,
        "since": pause.since if pause else _since(state, beat, list(recent.values()), wall),
        "paused": pause._asdict() if pause else None,
        "jobs": jobs.get(beat.node, []),
    }


def _state(beat: Beat, states: set[str], wall: float) -> str:
    """Return the verdict of the other nodes, if they have one; else judge by whether its own heartbeat is recent."""
    if beat.paused(wall):
        return "paused"
    if states == {UP, DOWN}:
        return "disputed"
    if states:
        return states.pop()
    return (UP if beat.is_fit else DOWN) if beat.beat and beat.is_recent(wall) else UNKNOWN


def _since(state: str, beat: Beat, opinions: Sequence[Opinion], wall: float) -> float | None:
    """Return since when the state has lasted, by wall clocks; None if nobody knows.

    A node that was booted a moment ago has seen nothing earlier, so its `since` only says when it began to look.
    """
    if state == "disputed":
        return max(_first(side, opinions) or 0.0 for side in (UP, DOWN))
    if state != UP:
        return _first(state, opinions)
    seen = [
        one.since for one in opinions if one.state == UP and one.back is not None
    ]  # they saw it come back
    own = [beat.wall - (beat.at - beat.back)] if beat.beat and beat.is_fit and beat.is_recent(wall) else []
    return max([*seen, *own], default=_first(UP, opinions))


def _first(state: str, opinions: Sequence[Opinion]) -> float | None:
    return min((one.since for one in opinions if one.state == state), default=None)


def _lease(backend: Backend, job: str) -> Record | None:
    try:
        return decode_lease(backend.read(f"lease/{job}").data, job)
    except StoreRefusedError:
        return None


def _queue(backend: Backend, job: str, data: bytes) -> dict[str, Any]:
    record = _lease(backend, job)
    queue = rotation.decode(data, rotation.queue_key(Job.parse(job))) or rotation.Rotation()
    places = [place._asdict() for place in queue.following(record).places]
    return {"queue": places, "last": record.node if record else None}


def _waiting(backend: Backend, job: str, data: bytes) -> dict[str, Any]:
    record = _lease(backend, job)
    found = waiters.decode(data, waiters.waiters_key(Job.parse(job))) or waiters.Waiters()
    return {"waiting": [one._asdict() for one in found.without({record.run} if record else ()).waiting]}
