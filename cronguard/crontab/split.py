"""Rewrite the schedule lines of a crontab to a node's share, and keep every byte of the rest.

A line that becomes others is kept in a marker comment before them:

    # cronguard time-slice: */10 * * * * job
    0,20,40 * * * * job

The marker says how many lines it stands for, unless that is one: rewriting a rewritten crontab begins with taking
them out and the original in.
"""

import re
from collections.abc import Callable, Iterator

from cronguard.crontab.lines import LONGEST_COMMAND, Entry, is_entry, length, parse_entry, places, quoted
from cronguard.system.errors import UsageError

# (schedule, zone) -> the schedules to put in its place, or None if its command needs a gate
Shares = Callable[[str, str | None], list[str] | None]
# (schedule, zone) -> a command that runs the shell line in the argument after it, or does not
Gate = Callable[[str, str | None], str]

_MARKER = "# cronguard time-slice"
_MARKED = re.compile(rf"{_MARKER}(?: (\d+) lines)?: (.*)", re.DOTALL)


def split(text: str, shares: Shares, gate: Gate, *, system: bool = False) -> str:
    """Put each line's share in its place; the text of a `system` crontab names a user before each command.

    Raises UsageError, with the number of the line, if there is one line that cron would not understand or that
    would become too long for it.
    """
    lines: list[str] = []
    for place in places(restore(text, system=system)):
        try:
            lines += _split_line(place.line, place.zone, shares, gate, system=system)
        except UsageError as error:
            raise UsageError(f"crontab line {place.number}: {error}", error.hint) from error
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


def made_lines(lines: list[str]) -> Iterator[int]:
    """Yield the numbers, from 1, of the lines that splitting has made."""
    for number, line in enumerate(lines, 1):
        if match := _MARKED.fullmatch(line):
            yield from range(number + 1, number + 1 + int(match[1] or 1))


def _split_line(line: str, zone: str | None, shares: Shares, gate: Gate, *, system: bool) -> list[str]:
    if not is_entry(line):
        return [line]
    parsed = parse_entry(line, system=system)
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


def _rewritten(line: Entry, schedules: list[str] | None, gate: Callable[[], str]) -> list[str]:
    if schedules is None and not line.command:  # nothing to run, and nothing to guard
        schedules = [line.schedule]
    if schedules is not None:
        return ["".join(line._replace(schedule=schedule)) for schedule in schedules]
    return ["".join(line._replace(command=f"{gate()} {quoted(line.command)}"))]


def _is_part_of(part: str, original: str, *, system: bool) -> bool:
    try:
        command, whole = (
            parse_entry(part, system=system).command,
            parse_entry(original, system=system).command,
        )
    except UsageError:
        return False
    return command == whole or command.endswith(quoted(whole))


def _check_length(line: str, *, system: bool) -> None:
    bytes_ = length(parse_entry(line, system=system).command)
    if bytes_ > LONGEST_COMMAND:
        raise UsageError(
            f"the command would have {bytes_} bytes, and cron takes at most {LONGEST_COMMAND}",
            "move it into a script",
        )
