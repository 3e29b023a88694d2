"""The program that a command word names."""

import os
from collections.abc import Mapping

from cronguard.system.errors import CommandNotExecutableError, CommandNotFoundError


def shell_line(line: str, env: Mapping[str, str]) -> list[str]:
    """Return the arguments that run a shell line: by the shell that cron would have used, which it says in SHELL."""
    return [env.get("SHELL") or "/bin/sh", "-c", line]


def find_program(command: str, path: str | None) -> str:
    """Return the file that the command word names, looked for as a shell does.

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
        raise CommandNotExecutableError(f"{unusable} cannot be executed", f"see its mode: ls -l {unusable}")
    if "/" in command:
        raise CommandNotFoundError(f"{command!r} is not there", "is it installed on this node, and mounted?")
    told = f"{command!r} is not there in PATH={path or os.defpath}"
    raise CommandNotFoundError(told, "cron's PATH is short: give the full path")
