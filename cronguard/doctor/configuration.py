"""Checks of the configuration: its validity, who else can write it, its backend, and whether cron sees the same."""

import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import parse_qsl

from cronguard.config.files import SYSTEM_FILE, USER_FILE
from cronguard.config.settings import SETTINGS, Settings
from cronguard.config.sources import load
from cronguard.doctor.finding import Finding, failed, note, ok, problem, warning
from cronguard.heartbeat.config import load_heartbeat
from cronguard.system.errors import ConfigError

_PASSWORD_FILES = ("password_file", "sentinel_password_file", "passfile")


class Kept(NamedTuple):
    """A file that exists: its owner and mode, and the mode of its directory."""

    path: str
    owner: int
    mode: int
    folder_mode: int


def configured(
    options: Mapping[str, str | None], config: str | None, env: Mapping[str, str]
) -> tuple[Settings | None, list[Finding]]:
    """Return the settings (None if they are invalid), and the findings about where they come from."""
    paths = config_paths(config or env.get("CRONGUARD_CONFIG"))
    files = [kept for path in paths if (kept := look(path))]
    try:
        settings = load(options, config, env)
        load_heartbeat(config, tuple(name for name in settings.nodes if not name.isdecimal()), env)
    except ConfigError as error:
        return None, [failed("config", error), *judge_writers(files, os.geteuid())]
    named = ", ".join(kept.path for kept in files) or f"none of {', '.join(paths)} exists"
    findings = [ok("config", named), *judge_writers(files, os.geteuid())]
    return settings, [*findings, *judge_variables(env), *judge_backend(settings.backend)]


def config_paths(config: str | None) -> list[str]:
    """Return the configuration files; settings in the last one win."""
    return [config] if config else [SYSTEM_FILE, os.path.expanduser(USER_FILE)]


def look(path: str) -> Kept | None:
    """Return a file's owner and modes; None if it does not exist, which other checks report."""
    with suppress(OSError):
        file, folder = os.stat(path), os.stat(os.path.dirname(os.path.abspath(path)))
        return Kept(path, file.st_uid, stat.S_IMODE(file.st_mode), stat.S_IMODE(folder.st_mode))
    return None


def judge_writers(files: Iterable[Kept], me: int, name: str = "config-writers") -> list[Finding]:
    """Report files that other users could change: their contents decide what runs, and where."""
    found = [problem(name, *trouble) for kept in files if (trouble := _trouble(kept, me))]
    return found or [ok(name, "no other user can write there")]


def _trouble(kept: Kept, me: int) -> tuple[str, str] | None:
    folder = os.path.dirname(os.path.abspath(kept.path))
    if kept.mode & stat.S_IWOTH:
        return f"{kept.path} is writable by every user (mode {kept.mode:04o})", f"chmod o-w {kept.path}"
    if kept.owner not in (0, me):
        return f"{kept.path} belongs to another user (UID {kept.owner})", f"chown root {kept.path}"
    if kept.folder_mode & stat.S_IWOTH and not kept.folder_mode & stat.S_ISVTX:
        why = f"{folder} is writable by every user (mode {kept.folder_mode:04o}), so {kept.path} can be replaced"
        return why, f"chmod o-w {folder}"
    return None


def judge_variables(env: Mapping[str, str]) -> list[Finding]:
    """Note variables that are set in this shell and will not be set by cron."""
    own = sorted(name for key in SETTINGS if env.get(name := f"CRONGUARD_{key.upper()}"))
    if not own:
        return []
    hint = "set it in the configuration file, or at the top of the crontab"
    return [
        note(
            "environment",
            f"{', '.join(own)}: set in this shell, but cron's environment is nearly empty",
            hint,
        )
    ]


def judge_backend(backend: str | None) -> list[Finding]:
    """Warn that nothing is guarded between machines, unless the configuration says that this is intended."""
    if backend is not None:
        return []
    told = "no backend is configured: jobs are guarded on this machine only"
    hint = 'set backend = "dir:/shared/directory" in /etc/cronguard/config.toml (or "local", if that is intended)'
    return [warning("backend-choice", told, hint)]


def password_files(url: str | None) -> list[str]:
    """Return the password files that a backend's URL names."""
    options = dict(parse_qsl((url or "").partition("?")[2]))
    return [options[name] for name in _PASSWORD_FILES if options.get(name)]


def judge_passwords(paths: Iterable[str], me: int) -> list[Finding]:
    """Report passwords that other users could read or change."""
    found = []
    for path in paths:
        kept = look(path)
        if kept is None:
            told = f"{path}, the backend's password file, does not exist or is not accessible"
            found.append(problem("password", told, f"write the password into it, then chmod 640 {path}"))
        elif kept.mode & stat.S_IROTH:
            told = f"every user of this node can read the password in {path} (mode {kept.mode:04o})"
            found.append(
                problem("password", told, f"chmod o= {path}; then change the password, as others may know it")
            )
        elif trouble := _trouble(kept, me):
            found.append(problem("password", *trouble))
    return found
