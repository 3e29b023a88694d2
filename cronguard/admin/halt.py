"""Pause a namespace or a job, so that no node starts its runs, and resume it."""

import os

from cronguard.model.pause import Pause
from cronguard.model.pauses import Pauses, decode, encode, pauses_key
from cronguard.model.record import is_job
from cronguard.model.target import JOB, Target
from cronguard.store.contract import MAX_DATA, Backend, latest
from cronguard.store.update import update
from cronguard.system.errors import UsageError

_NEAR = 5  # names in a message: as many as a person reads


def pause(backend: Backend, target: Target, pause_: Pause, *, force: bool) -> None:
    """Pause a namespace or a job, and drop expired pauses of its namespace. Runs in progress are left alone.

    Raises UsageError if it has never run, unless `force`, and if an entry has no room for another pause.
    """
    if not force:
        _check_known(backend, target)
    _change(backend, target, pause_, pause_.since)


def resume(backend: Backend, target: Target, wall: float) -> str:
    """Resume a namespace or a job; return what was done. Raises UsageError if it is not paused and has never run."""
    before = _read(backend, target)
    if before.of(target) is None:
        _check_known(backend, target, before)
        return f"{target} is not paused{_others(before, target, wall)}"
    after = _change(backend, target, None, wall)
    return f"{target} is resumed{_others(after, target, wall)}"


def _read(backend: Backend, target: Target) -> Pauses:
    """Read the pauses. Caches are bypassed: a cached entry may lack the latest pause."""
    key = pauses_key(target.ns)
    return decode(latest(backend, key).data, key) or Pauses()


def _change(backend: Backend, target: Target, pause_: Pause | None, wall: float) -> Pauses:
    by = os.urandom(8).hex()

    def changed(old: Pauses | None) -> Pauses | None:
        after = (old or Pauses()).changed(target, pause_, wall).published(by)
        if len(encode(after)) > MAX_DATA:
            raise UsageError(
                f"{target}: {len(after.jobs) - 1} jobs of its namespace are paused, and there is no room for one more",
                f"pause the namespace: cronguard pause --ns {target.ns}",
            )
        return after

    return update(backend, pauses_key(target.ns), decode, encode, changed) or Pauses()


def _others(pauses: Pauses, target: Target, wall: float) -> str:
    """Return the pauses that still keep its runs from starting, for a person who resumes only one of two."""
    holding = [one for one, _ in pauses.holding(target.ns, wall) if one != target]
    kept = [one for one in holding if target.kind != JOB or one.kind != JOB]
    if not kept:
        return ""
    names = ", ".join(map(str, kept[:_NEAR])) + (", ..." if len(kept) > _NEAR else "")
    return f"; still paused: {names} (cronguard resume {kept[0].options})"


def _check_known(backend: Backend, target: Target, pauses: Pauses | None = None) -> None:
    known = _known(backend, target)
    if target.name in known or _is_there(backend, target):
        return
    from difflib import get_close_matches

    paused = [one.name for one, _ in pauses.holding(target.ns, 0.0)] if pauses else []
    near = get_close_matches(target.name, sorted({*known, *paused}), _NEAR, 0.5)
    like = f"; similar names: {', '.join(near)}" if near else ""
    hint = "check the spelling: cronguard locks --all" + (
        "" if pauses else "; if it has never run, add --force"
    )
    raise UsageError(f"{target} is unknown{like}", hint)


def _known(backend: Backend, target: Target) -> set[str]:
    """Return the names of all jobs, or of all namespaces, that have run."""
    jobs = {entry.key.partition("/")[2] for entry in backend.scan("lease/") if is_job(entry.data)}
    return jobs if target.kind == JOB else {job.partition("/")[0] for job in jobs}


def _is_there(backend: Backend, target: Target) -> bool:
    """Return whether a job has a lease that the cached listing of a network file system does not show yet."""
    if target.kind != JOB:
        return False
    return is_job(latest(backend, f"lease/{target.name}").data)
