"""Names for the shell's completion, from the backend: at once, or none, and never a word about why."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cronguard.store.contract import Backend

# Seconds that a person who has pressed the key waits for nothing. A lock host far away takes half of one to log in.
_LIMIT = 1.0
_LANE = "#completion"  # a gate of its own: runs must not wait behind somebody's key
Names = Callable[["Backend", str], list[str]]


def _completion(names: Names) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        with suppress(Exception):  # whatever it is, the person is typing and has not asked
            _fall_silent()
            found = sorted(set(_ask(ctx.params, lambda backend: names(backend, incomplete))))
            return [name for name in found if name.startswith(incomplete)]
        return []

    return complete


def _jobs(backend: "Backend", incomplete: str) -> list[str]:
    """Return the jobs; of one namespace, where that is typed already."""
    ns, slash, _ = incomplete.partition("/")
    found = backend.scan(f"lease/{ns}/" if slash else "lease/")
    return [entry.key.partition("/")[2] for entry in found if entry.data]


def _namespaces(backend: "Backend", _incomplete: str) -> list[str]:
    return [job.partition("/")[0] for job in _jobs(backend, "")]


def _nodes(backend: "Backend", _incomplete: str) -> list[str]:
    from cronguard.model.beat import PREFIX

    return [entry.key.removeprefix(PREFIX) for entry in backend.scan(PREFIX) if entry.data]


def _paused(kind: str) -> Names:
    def names(backend: "Backend", _incomplete: str) -> list[str]:
        import time

        from cronguard.report.inventory import paused

        return [row["name"] for row in paused(backend, None, time.time()) if row["kind"] == kind]

    return names


jobs, namespaces, nodes = map(_completion, (_jobs, _namespaces, _nodes))
paused_jobs, paused_namespaces, paused_nodes = (
    _completion(_paused(kind)) for kind in ("job", "namespace", "node")
)


def _ask(given: dict[str, Any], work: Callable[["Backend"], list[str]]) -> list[str]:
    """Do it in a child that is left alone when the time is over, whatever it hangs in."""
    from cronguard.config.sources import load
    from cronguard.store.storage import Storage
    from cronguard.system.clock import Clock
    from cronguard.system.statedir import StateDir

    options = {name: given.get(name) for name in ("backend", "backend_timeout")}
    settings = load(options, given.get("config"))
    limit = min(_LIMIT, settings.backend_timeout)
    state = StateDir(settings.state_dir, settings.node)
    found: list[str] = Storage(settings.backend or "local", state, limit, Clock(), _LANE).ask(work)
    return found


def _fall_silent() -> None:
    """Let nothing be said in the middle of the line that is being typed, from now to the end of this process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
