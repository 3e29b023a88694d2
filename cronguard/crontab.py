"""Rewrite the schedule lines of a crontab, and keep every byte of the rest.

Texts are str with surrogateescape, so that any bytes survive. What a line is follows Debian's cron (entry.c: load_entry;
env.c: load_env; do_command.c for `%`). A line that becomes others is kept in a marker comment before them:

    # cronguard time-slice: */10 * * * * job
    0,20,40 * * * * job

The marker says how many lines it stands for, unless that is one: rewriting a rewritten crontab begins with taking
them out and the original in.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cronguard.errors import UsageError

# (schedule, zone) -> the schedules to put in its place, or None if its command needs a gate
Shares = Callable[[str, str | None], list[str] | None]
# (schedule, zone) -> a command that runs the shell line in the argument after it, or does not
Gate = Callable[[str, str | None], str]

_LONGEST_COMMAND = 998  # bytes; cron refuses a crontab with a longer one (MAX_COMMAND in its source)
_MARKER = "# cronguard time-slice"
_MARKED = re.compile(rf"{_MARKER}(?: (\d+) lines)?: (.*)", re.DOTALL)
_IGNORED = re.compile(r"[ \t]*(?:#.*)?", re.DOTALL)
_VARIABLE = re.compile(
    r"""\s*(?:"(?P<double>[^"=]*)"|'(?P<single>[^'=]*)'|(?P<bare>[^\s=]*))\s*=(?P<value>.*)""", re.DOTALL
)
_FIELD = r"[^ \t]+"
_LINE = re.compile(
    rf"(?P<lead>[ \t]*)(?P<schedule>@{_FIELD}|{_FIELD}(?:[ \t]+{_FIELD}){{4}})(?P<gap>[ \t]+|$)(?P<command>.*)",
    re.DOTALL,
)
_USER = re.compile(r"([^ \t]+[ \t]+)(.*)", re.DOTALL)
_UNTIL_PERCENT = re.compile(r"(?:[^\\%]|\\.|\\$)*", re.DOTALL)


class _Line(NamedTuple):
    before: str
    schedule: str
    between: str
    command: str


def split(text: str, shares: Shares, gate: Gate, *, system: bool = False) -> str:
    """Put each line's share in its place; the text of a `system` crontab names a user before each command.

    Raises UsageError, with the number of the line, if there is one line that cron would not understand or that
    would become too long for it.
    """
    lines: list[str] = []
    for number, line, zone in _with_zones(restore(text, system=system)):
        try:
            lines += _split_line(line, zone, shares, gate, system=system)
        except UsageError as error:
            raise UsageError(f"crontab line {number}: {error}", error.hint) from error
    return "\n".join(lines)


def restore(text: str, *, system: bool = False) -> list[str]:
    """Return the lines as they were before any splitting.

    Raises UsageError if a marker is not followed by lines of the command in it.
    """
    lines = iter(enumerate(text.split("\n"), 1))
    restored: list[str] = []
    for number, line in lines:
        match = _MARKED.fullmatch(line)
        restored.append(match[2] if match else line)
        if match:
            parts = [next(lines, (0, ""))[1] for _ in range(int(match[1] or 1))]
            if not all(_is_part_of(part, match[2], system=system) for part in parts):
                raise UsageError(
                    f"crontab line {number}: the lines after this marker are not what became of it",
                    f"to change such a line, delete {_MARKER!r} and the colon before the original, and the lines made from it",
                )
    return restored


def _with_zones(lines: list[str]) -> Iterator[tuple[int, str, str | None]]:
    zones: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if match := _VARIABLE.fullmatch(line):
            name = match["double"] or match["single"] or match["bare"] or ""
            zones[name] = _unquoted(match["value"])
        # TZ= is for the commands and not for cron, which goes by the machine's zone; the gate must not be misled
        yield number, line, zones.get("CRON_TZ") or ("localtime" if zones.get("TZ") else None)


def _unquoted(value: str) -> str:
    value = value.strip()
    return value[1:-1] if value[:1] in {"'", '"'} and value[-1:] == value[:1] else value


def _split_line(line: str, zone: str | None, shares: Shares, gate: Gate, *, system: bool) -> list[str]:
    if _IGNORED.fullmatch(line) or _VARIABLE.fullmatch(line):
        return [line]
    parsed = _parse(line, system=system)
    parts = [line]
    if parsed.schedule != "@reboot":
        schedules = shares(parsed.schedule, zone)
        parts = _rewritten(parsed, schedules, lambda: gate(parsed.schedule, zone))
    for part in parts:
        _check_length(part, system=system)
    if parts == [line]:
        return parts
    lines = "" if len(parts) == 1 else f" {len(parts)} lines"
    return [f"{_MARKER}{lines}: {line}", *parts]


def _rewritten(line: _Line, schedules: list[str] | None, gate: Callable[[], str]) -> list[str]:
    if schedules is None and not line.command:  # nothing to run, and nothing to guard
        schedules = [line.schedule]
    if schedules is not None:
        return ["".join(line._replace(schedule=schedule)) for schedule in schedules]
    return ["".join(line._replace(command=f"{gate()} {_quoted(line.command)}"))]


def _parse(line: str, *, system: bool) -> _Line:
    match = _LINE.fullmatch(line)
    if match is None or match["command"].startswith("*"):
        raise UsageError(f"{line.strip()!r} is not understood", "cron would not take it either")
    between, command = match["gap"], match["command"]
    user = _USER.fullmatch(command)
    if system:
        if user is None:
            raise UsageError(
                f"{line.strip()!r} names no user before its command",
                "a user's crontab is split without --system",
            )
        between, command = between + user[1], user[2]
    elif (
        user and user[1].strip() == "root"
    ):  # a gate before the user would be run as the user named cronguard
        raise UsageError("this seems to be a system crontab, with a user before each command", "add --system")
    return _Line(match["lead"], match["schedule"], between, command)


def _quoted(command: str) -> str:
    """Quote for the shell what cron hands to it; what follows the first bare `%` is input and stays as it is."""
    match = _UNTIL_PERCENT.match(command)
    shell = match[0] if match else ""
    # cron undoes its escapes, quotes or not, before the shell sees them, and finds none in '\\''
    quoted = "'" + shell.replace("'", "'\\''") + "'"
    return quoted + command[len(shell) :]


def _is_part_of(part: str, original: str, *, system: bool) -> bool:
    try:
        command, whole = _parse(part, system=system).command, _parse(original, system=system).command
    except UsageError:
        return False
    return command == whole or command.endswith(_quoted(whole))


def _check_length(line: str, *, system: bool) -> None:
    length = len(_parse(line, system=system).command.encode(errors="surrogateescape"))
    if length > _LONGEST_COMMAND:
        raise UsageError(
            f"the command would have {length} bytes, and cron takes at most {_LONGEST_COMMAND}",
            "move it into a script",
        )
