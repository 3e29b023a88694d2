"""`cronguard-shell`: a SHELL for crontabs that guards every line below it.

cron runs `$SHELL -c LINE`. Used in any other way, this program becomes the real shell and guards nothing.
"""

import os
import sys

from cronguard.system.errors import CommandNotExecutableError, ConfigError, CronguardError

SKIP = "# cronguard: skip"
_REAL = "/bin/sh"
_QUOTING = frozenset("'\"\\$`;&|<>()*?[]{}~#!")


def entry() -> None:
    """Run `cronguard-shell` as a program."""
    from cronguard.cli.main import finish, guarded

    finish(guarded(lambda: run(sys.argv[1:])))


def run(arguments: list[str]) -> int:
    """Guard the line of `-c LINE`; become the real shell for other arguments and for lines not to be guarded."""
    real = os.environ.get("CRONGUARD_SHELL") or _REAL
    if os.path.basename(real) == "cronguard-shell":
        raise ConfigError(
            f"CRONGUARD_SHELL: {real!r} is this program", "set it to the shell that should run the lines"
        )
    os.environ["SHELL"] = real  # the job must find the real shell in it
    if len(arguments) != len(["-c", "LINE"]) or arguments[0] != "-c" or not is_guarded(arguments[1]):
        _become(real, arguments)
    return _guard(real, arguments[1])


def is_guarded(line: str) -> bool:
    """Return whether to guard a line: not if it is empty, is marked, or guards itself.

    CRONGUARD_RUN does not matter here: if a job has restarted cron, cron passes that variable on to every line.
    """
    words = line.split(maxsplit=1)
    if not words or line.rstrip().endswith(SKIP):
        return False
    if os.path.basename(words[0]) != "cronguard":
        return True
    from cronguard.crontab.guarded import guards_itself

    return not guards_itself(line)


def assignments(line: str) -> tuple[dict[str, str], str]:
    """Return the CRONGUARD_* assignments at the start of a line, and the line without them.

    An assignment counts only if no shell has to interpret its value, as in
    `CRONGUARD_NAME=dump CRONGUARD_RETRY=never pg_dump shop`.
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
    from cronguard.config.sources import OF_ONE_LINE, load
    from cronguard.model.job import Job

    for key in OF_ONE_LINE:
        if os.environ.get(variable := f"CRONGUARD_{key.upper()}"):
            raise ConfigError(
                f"{variable} belongs to one crontab line, but here it is set for all lines",
                f"put {variable}=... before the command of that line",
            )
    said, command = assignments(line)
    os.environ.update(said)
    settings = load({})
    if settings.name is None:
        user = os.environ.get("LOGNAME") or os.environ.get("USER") or str(os.geteuid())
        settings = settings._replace(name=Job.unnamed(settings.ns, [_program(command), line], user).name)
    return guard_command(settings, [real, "-c", command])


def _program(command: str) -> str:
    """Return a word to name the job after, but not an assignment, which may contain a password."""
    return next((word for word in command.split() if "=" not in word), "line")


def _become(real: str, arguments: list[str]) -> None:
    try:
        os.execv(real, [real, *arguments])
    except OSError as error:
        raise _unusable(real, error) from error


def _unusable(real: str, error: OSError) -> CronguardError:
    return CommandNotExecutableError(f"{real} cannot be executed: {error.strerror}", "see CRONGUARD_SHELL")
