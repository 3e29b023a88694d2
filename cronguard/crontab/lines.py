"""The lines of a crontab, as cron understands them: the one parser for all that rewrites crontabs.

Texts are str with surrogateescape, so that any bytes survive. What a line is follows Debian's cron (entry.c: load_entry;
env.c: load_env; do_command.c for `%`), with the two marks that other crons know: `-` before the minute, which silences
the log (SUSE, cronie), and flags such as `-n` before the command (cronie, the BSDs).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cronguard.system.errors import UsageError

LONGEST_COMMAND = 998  # bytes; cron refuses a crontab with a longer one (MAX_COMMAND in its source)

_IGNORED = re.compile(r"[ \t]*(?:#.*)?", re.DOTALL)
_VARIABLE = re.compile(
    r"""\s*(?:"(?P<double>[^"=]*)"|'(?P<single>[^'=]*)'|(?P<bare>[^\s=]*))\s*=(?P<value>.*)""",
    re.DOTALL | re.ASCII,
)
_FIELD = r"[^ \t]+"
_ENTRY = re.compile(
    rf"(?P<lead>[ \t]*)(?P<schedule>@{_FIELD}|{_FIELD}(?:[ \t]+{_FIELD}){{4}})(?P<gap>[ \t]+|$)(?P<command>.*)",
    re.DOTALL,
)
_USER = re.compile(r"([^ \t]+[ \t]+)(.*)", re.DOTALL)
_FLAGS = re.compile(r"-[nqs]+[ \t]+")
_UNTIL_PERCENT = re.compile(r"(?:[^\\%]|\\.|\\$)*", re.DOTALL)


class Entry(NamedTuple):
    """One line that runs something; joined, its parts are the line."""

    lead: str
    schedule: str
    between: str  # blanks, the user of a system crontab, flags: all that stands before the command
    command: str


class Place(NamedTuple):
    """A line with its number, from 1, and the variables set above it."""

    number: int
    line: str
    variables: Mapping[str, str]

    @property
    def zone(self) -> str | None:
        """The zone of the line's schedule; None for the machine's.

        TZ= is for the commands and not for cron, which goes by the machine's zone; who reads TZ must not be misled.
        """
        return self.variables.get("CRON_TZ") or ("localtime" if self.variables.get("TZ") else None)


def places(lines: Iterable[str]) -> Iterator[Place]:
    """Yield each line with what is known where it stands."""
    variables: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if match := _VARIABLE.fullmatch(line):
            name = match["double"] or match["single"] or match["bare"] or ""
            variables = {**variables, name: _unquoted(match["value"])}
        yield Place(number, line, variables)


def is_entry(line: str) -> bool:
    """Return whether cron would try to run something for this line: it is neither blank, comment nor variable."""
    return not (_IGNORED.fullmatch(line) or _VARIABLE.fullmatch(line))


def parse_entry(line: str, *, system: bool) -> Entry:
    """Take a line apart; that of a `system` crontab names a user before its command.

    Raises UsageError for what cron would not understand.
    """
    match = _ENTRY.fullmatch(line)
    if match is None or match["command"].startswith("*") or "\0" in line:
        raise UsageError(f"{line.strip()!r} is not understood", "cron would not take it either")
    between, command = match["gap"], match["command"]
    user = _USER.fullmatch(command)
    if system:
        if user is None:
            raise UsageError(
                f"{line.strip()!r} names no user before its command",
                "a user's crontab has none; leave --system out",
            )
        between, command = between + user[1], user[2]
    elif (
        user and user[1].strip() == "root"
    ):  # what is put before the user would be run as the user of that name
        raise UsageError("this seems to be a system crontab, with a user before each command", "add --system")
    if flags := _FLAGS.match(command):
        between, command = between + flags[0], command[flags.end() :]
    return Entry(match["lead"], match["schedule"], between, command)


def shell_part(command: str) -> str:
    """Return what the shell gets, cron's escapes still in it; the first bare `%` and what follows it is input."""
    match = _UNTIL_PERCENT.match(command)
    return match[0] if match else ""


def quoted(command: str) -> str:
    """Quote for the shell what cron hands to it; input after a bare `%` stays as it is."""
    shell = shell_part(command)
    # cron undoes its escapes, quotes or not, before the shell sees them, and finds none in '\\''
    return "'" + shell.replace("'", "'\\''") + "'" + command[len(shell) :]


def length(command: str) -> int:
    """Return the bytes of a command, which cron counts."""
    return len(command.encode(errors="surrogateescape"))


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if value[:1] in {"'", '"'} and value[-1:] == value[:1] else value
