"""What the commands that look into the backend share: their options, and the way to it."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cronguard.system.stderr import say

if TYPE_CHECKING:
    from cronguard.config.settings import Settings
    from cronguard.store.storage import Storage

_OPTIONS = (
    click.option("--backend", metavar="URL", help="Where the nodes meet (default: as configured)."),
    click.option(
        "--backend-timeout", metavar="TIME", help="How long to wait for the backend (default: 30s)."
    ),
    click.option("--config", metavar="FILE", help="Read this configuration file and no other."),
)


def storage_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where the backend is."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def load_settings(config: str | None, **options: str | None) -> "Settings":
    """Return the settings of a command that looks into the backend."""
    from cronguard.config.sources import load

    return load(options, config)


def open_storage(**where: str | None) -> "Storage":
    """Return the configured backend."""
    return storage_of(load_settings(**where))


def storage_of(settings: "Settings") -> "Storage":
    """Return the backend of these settings; where none is configured, say that this machine's own is shown."""
    from cronguard.store.storage import Storage
    from cronguard.system.clock import Clock
    from cronguard.system.statedir import StateDir

    if settings.backend is None:
        say("no backend is configured; this is about this machine alone")
    state = StateDir(settings.state_dir, settings.node)
    return Storage(settings.backend or "local", state, settings.backend_timeout, Clock())


def program_for_cron() -> str:
    """Return how a crontab line calls us: cron's PATH is short, so with the path unless that is where it looks."""
    import re
    import shutil

    path = shutil.which("cronguard") or ""
    is_found_by_cron = os.path.dirname(path) in {"", "/bin", "/usr/bin"}
    return path if not is_found_by_cron and re.fullmatch(r"[\w/.+-]+", path, re.ASCII) else "cronguard"


def backup_place() -> tuple[str, str]:
    """Return the folder for what is replaced, and a stamp for its name."""
    import time

    from cronguard.config.sources import load
    from cronguard.system.statedir import StateDir

    settings = load({})
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f"{StateDir(settings.state_dir, settings.node).root}/backups", stamp
