"""`cronguard-shell`: the SHELL of a crontab, which guards every line below it.

cron runs `$SHELL -c LINE`. Used in any other way it is the real shell, and guards nothing.
"""

import os
import sys

from cronguard.system.errors import CommandNotExecutableError, ConfigError, CronguardError

SKIP = "# cronguard: skip"
_REAL = "/bin/sh"
_OF_ONE_LINE = ("CRONGUARD_NAME", "CRONGUARD_TICK", "CRONGUARD_SCHEDULE")
_QUOTING = frozenset("'\"\\$`;&|<>()*?[]{}~#!")


def entry() -> None:
    """Run as a program."""
    from cronguard.cli.main import finish, guarded

    finish(guarded(lambda: run(sys.argv[1:])))


def run(arguments: list[str]) -> int:
    """Guard the line of `-c LINE`; become the real shell for anything else, and for a line that says so."""
    real = os.environ.get("CRONGUARD_SHELL") or _REAL
    if os.path.basename(real) == "cronguard-shell":
        raise ConfigError(
            f"CRONGUARD_SHELL: {real!r} is this program", "name the shell that is to run the lines"
        )
    os.environ["SHELL"] = real  # what the job starts by $SHELL is the job's own
    if len(arguments) != len(["-c", "LINE"]) or arguments[0] != "-c" or not is_guarded(arguments[1]):
        _become(real, arguments)
    return _guard(real, arguments[1])


def is_guarded(line: str) -> bool:
    """Return whether a line is to be guarded: not if it is marked, or guards itself.

    That CRONGUARD_RUN is set says nothing: a job may have restarted a cron that hands its own environment on.
    """
    words = line.split(maxsplit=1)
    if not words or line.rstrip().endswith(SKIP):
        return False
    if os.path.basename(words[0]) != "cronguard":
        return True
    from cronguard.crontab.guarded import guards_itself

    return not guards_itself(line)


def wishes(line: str) -> tuple[dict[str, str], str]:
    """Return the CRONGUARD_* assignments that a line begins with, and the line without them.

    Only values that no shell has to interpret: `CRONGUARD_NAME=dump CRONGUARD_RETRY=never pg_dump shop`.
    """
    said: dict[str, str] = {}
    while line.startswith("CRONGUARD_"):
        assignment, _, rest = line.partition(" ")
        name, equals, value = assignment.partition("=")
        if not equals or not rest.strip() or _QUOTING & set(value):
            break
        said[name], line = value, rest.lstrip(" \t")
    return said, line


def _guard(real: str, line: str) -> int:
    from cronguard.cli.run import guard_command
    from cronguard.config.sources import load
    from cronguard.model.job import Job

    for variable in _OF_ONE_LINE:
        if os.environ.get(variable):
            raise ConfigError(
                f"{variable} is of one line, and in the crontab it would be that of all",
                f"write {variable}=... before the command of that line",
            )
    said, command = wishes(line)
    os.environ.update(said)
    settings = load({})
    if settings.name is None:
        user = os.environ.get("LOGNAME") or os.environ.get("USER") or str(os.geteuid())
        settings = settings._replace(name=Job.unnamed(settings.ns, [_program(command), line], user).name)
    return guard_command(settings, [real, "-c", command])


def _program(command: str) -> str:
    """Return a word to name the job by: no assignment, which may hold a password."""
    return next((word for word in command.split() if "=" not in word), "line")


def _become(real: str, arguments: list[str]) -> None:
    try:
        os.execv(real, [real, *arguments])
    except OSError as error:
        raise _unusable(real, error) from error


def _unusable(real: str, error: OSError) -> CronguardError:
    return CommandNotExecutableError(f"{real} cannot be executed: {error.strerror}", "see CRONGUARD_SHELL")
