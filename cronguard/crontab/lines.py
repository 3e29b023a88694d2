"""Parse crontab lines the way cron does. Everything that rewrites crontabs uses this parser.

Texts are str with surrogateescape, so any bytes survive. The syntax is that of Debian's cron (entry.c: load_entry;
env.c: load_env; do_command.c for `%`), plus two extensions of other crons: `-` before the minute, which turns logging
off (SUSE, cronie), and flags such as `-n` before the command (cronie, the BSDs).
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
    """A line that runs something, in parts. Joined, they are the original line."""

    lead: str
    schedule: str
    between: str  # everything before the command: blanks, the user in a system crontab, flags
    command: str


class Place(NamedTuple):
    """A line, its number (from 1), and the variables that are set above it."""

    number: int
    line: str
    variables: Mapping[str, str]

    @property
    def zone(self) -> str | None:
        """The time zone of the line's schedule; None for the machine's zone.

        TZ= affects the commands but not cron, which uses the machine's zone. cronguard would read TZ, so a line below
        TZ= gets `localtime`.
        """
        return self.variables.get("CRON_TZ") or ("localtime" if self.variables.get("TZ") else None)


def places(lines: Iterable[str]) -> Iterator[Place]:
    """Yield each line with its number and the variables that are set above it."""
    variables: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if match := _VARIABLE.fullmatch(line):
            name = match["double"] or match["single"] or match["bare"] or ""
            variables = {**variables, name: _unquoted(match["value"])}
        yield Place(number, line, variables)


def is_entry(line: str) -> bool:
    """Return whether cron would run something for this line: it is not blank, a comment or a variable."""
    return not (_IGNORED.fullmatch(line) or _VARIABLE.fullmatch(line))


def parse_entry(line: str, *, system: bool) -> Entry:
    """Split a line into its parts. In a `system` crontab, a user precedes the command.

    Raises UsageError for a line that cron would not accept.
    """
    match = _ENTRY.fullmatch(line)
    if match is None or match["command"].startswith("*") or "\0" in line:
        raise UsageError(
            f"{line.strip()!r} is not a valid crontab line", "correct it: cron would refuse it too"
        )
    between, command = match["gap"], match["command"]
    user = _USER.fullmatch(command)
    if system:
        if user is None:
            raise UsageError(
                f"{line.strip()!r} has no user before its command",
                "omit --system if this is a user's crontab",
            )
        between, command = between + user[1], user[2]
    elif user and user[1].strip() == "root":  # a guard put before the user would be taken for the user's name
        raise UsageError("this looks like a system crontab, with a user before each command", "add --system")
    if flags := _FLAGS.match(command):
        between, command = between + flags[0], command[flags.end() :]
    return Entry(match["lead"], match["schedule"], between, command)


def shell_part(command: str) -> str:
    """Return the part that cron passes to the shell, with cron's escapes. The rest, from a bare `%` on, is input."""
    match = _UNTIL_PERCENT.match(command)
    return match[0] if match else ""


def quoted(command: str) -> str:
    """Quote the shell part of a command for the shell; input after a bare `%` stays unquoted."""
    shell = shell_part(command)
    # Quotes do not affect cron's escapes: cron removes them before the shell starts. It sees none in '\\''.
    return "'" + shell.replace("'", "'\\''") + "'" + command[len(shell) :]


def length(command: str) -> int:
    """Return the length of a command in bytes, as cron counts it."""
    return len(command.encode(errors="surrogateescape"))


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if value[:1] in {"'", '"'} and value[-1:] == value[:1] else value
