"""Find the program that runs a command."""

import os
from collections.abc import Mapping

from cronguard.system.errors import CommandNotExecutableError, CommandNotFoundError


def shell_line(line: str, env: Mapping[str, str]) -> list[str]:
    """Return the arguments that run a shell line with the shell that cron would have used, which is in SHELL."""
    return [env.get("SHELL") or "/bin/sh", "-c", line]


def find_program(command: str, path: str | None) -> str:
    """Return the file that a command word refers to, searched for as a shell does.

    Raises CommandNotFoundError (127) or CommandNotExecutableError (126).
    """
    candidates = [command]
    if "/" not in command:
        candidates = [os.path.join(folder or ".", command) for folder in (path or os.defpath).split(":")]
    unusable = ""
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
        if os.path.exists(candidate):
            unusable = unusable or candidate
    if unusable:
        raise CommandNotExecutableError(f"{unusable} cannot be executed", f"check its mode: ls -l {unusable}")
    if "/" in command:
        raise CommandNotFoundError(
            f"{command!r} does not exist", "check that it is installed and mounted on this node"
        )
    told = f"{command!r} was not found in PATH={path or os.defpath}"
    raise CommandNotFoundError(told, "cron's PATH is short: use the full path")
