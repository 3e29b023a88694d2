"""Complete names in the shell from the backend. If that fails or is slow, offer nothing and print nothing."""

import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cronguard.store.contract import Backend

# Seconds that a completion may take. Logging in to a distant lock host takes half a second.
_LIMIT = 1.0
_LANE = "#completion"  # a separate gate: runs must not queue behind completions
Names = Callable[["Backend", str], list[str]]


def _completion(names: Names) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    def complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        with suppress(Exception):  # no error may disturb the line that is being typed
            _fall_silent()
            found = sorted(set(_ask(ctx.params, lambda backend: names(backend, incomplete))))
            return [name for name in found if name.startswith(incomplete)]
        return []

    return complete


def _jobs(backend: "Backend", incomplete: str) -> list[str]:
    """Return the jobs; only those of one namespace if it is typed already."""
    from cronguard.model.record import is_job

    ns, slash, _ = incomplete.partition("/")
    found = backend.scan(f"lease/{ns}/" if slash else "lease/")
    return [entry.key.partition("/")[2] for entry in found if is_job(entry.data)]


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
    """Do the work in a child process, which is abandoned at the time limit even if it hangs."""
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
    """Silence stderr until this process exits: no message may disturb the line that is being typed."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
