"""Rewrite the schedules in a crontab to a node's share, and keep every other byte.

The original of a rewritten line is kept in a marker comment before the lines that replace it:

    # cronguard time-slice: */10 * * * * job
    0,20,40 * * * * job

The marker contains the number of lines that follow, unless it is one. Rewriting a crontab again starts by replacing
them with the original.
"""

import re
from collections.abc import Callable, Iterator

from cronguard.crontab.lines import LONGEST_COMMAND, Entry, is_entry, length, parse_entry, places, quoted
from cronguard.system.errors import UsageError

# (schedule, zone) -> the schedules that replace it, or None if the command needs a gate
Shares = Callable[[str, str | None], list[str] | None]
# (schedule, zone) -> a command that decides whether to run the shell line in its last argument
Gate = Callable[[str, str | None], str]

_MARKER = "# cronguard time-slice"
_MARKED = re.compile(rf"{_MARKER}(?: (\d+) lines)?: (.*)", re.DOTALL)


def split(text: str, shares: Shares, gate: Gate, *, system: bool = False) -> str:
    """Replace each line by this node's share of it. In a `system` crontab, a user precedes each command.

    Raises UsageError, with the line number, for a line that cron would not accept or that would become too long for
    cron.
    """
    lines: list[str] = []
    for place in places(restore(text, system=system)):
        try:
            lines += _split_line(place.line, place.zone, shares, gate, system=system)
        except UsageError as error:
            raise UsageError(f"crontab line {place.number}: {error}", error.hint) from error
    return "\n".join(lines)


def restore(text: str, *, system: bool = False) -> list[str]:
    """Return the original lines, before any splitting.

    Raises UsageError if the lines after a marker do not run the marker's command.
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
                    f"crontab line {number}: the lines after this marker do not belong to it",
                    f"to change such a line, delete its prefix from {_MARKER!r} to the colon, and the lines made from it",
                )
    return restored


def made_lines(lines: list[str]) -> Iterator[int]:
    """Yield the numbers (from 1) of the lines that splitting has made."""
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
            f"the command would have {bytes_} bytes, but cron accepts at most {LONGEST_COMMAND}",
            "move the command into a script",
        )
