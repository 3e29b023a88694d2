"""The options that commands share to find the backend, and the functions to open it."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from cronguard.system.stderr import say

if TYPE_CHECKING:
    from cronguard.config.settings import Settings
    from cronguard.store.storage import Storage

_OPTIONS = (
    click.option("--backend", metavar="URL", help="Store that the nodes share (default: as configured)."),
    click.option(
        "--backend-timeout", metavar="TIME", help="How long to wait for the backend (default: 30s)."
    ),
    click.option("--config", metavar="FILE", help="Read only this configuration file."),
)


def storage_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that specify the backend."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def load_settings(config: str | None, **options: str | None) -> "Settings":
    """Return the settings of a command that uses the backend."""
    from cronguard.config.sources import load

    return load(options, config)


def open_storage(**where: str | None) -> "Storage":
    """Return the configured backend."""
    return storage_of(load_settings(**where))


def storage_of(settings: "Settings") -> "Storage":
    """Return the backend of these settings; warn if it is only the one of this machine."""
    from cronguard.store.storage import Storage
    from cronguard.system.clock import Clock
    from cronguard.system.statedir import StateDir

    if settings.backend is None:
        say("no backend is configured, so this is about this machine only")
    state = StateDir(settings.state_dir, settings.node)
    return Storage(settings.backend or "local", state, settings.backend_timeout, Clock())


def program_for_cron() -> str:
    """Return how a crontab line calls cronguard: with its path, unless it is in the short PATH of cron."""
    import re
    import shutil

    path = shutil.which("cronguard") or ""
    is_found_by_cron = os.path.dirname(path) in {"", "/bin", "/usr/bin"}
    return path if not is_found_by_cron and re.fullmatch(r"[\w/.+-]+", path, re.ASCII) else "cronguard"


def backup_place() -> tuple[str, str]:
    """Return the directory for replaced crontabs, and a time stamp for the file name."""
    import time

    from cronguard.config.sources import load
    from cronguard.system.statedir import StateDir

    settings = load({})
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f"{StateDir(settings.state_dir, settings.node).root}/backups", stamp
