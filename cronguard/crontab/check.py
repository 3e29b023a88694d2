"""Find out which lines of a crontab are guarded, which are not and why, and what is wrong with them."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from cronguard.config.sources import OF_ONE_LINE
from cronguard.crontab.guarded import Found, find, guards_itself, is_own
from cronguard.crontab.lines import (
    LONGEST_COMMAND,
    Entry,
    Place,
    is_entry,
    length,
    parse_entry,
    places,
)
from cronguard.crontab.shell import CUT_SHORT, Token, is_cut_short
from cronguard.crontab.split import made_lines
from cronguard.crontab.wrap import SKIP, Note, judge
from cronguard.system.errors import UsageError

GUARDED, ALONE, UNGUARDED, PROBLEM = "guarded", "left alone", "not guarded", "problem"
_SLEEP = re.compile(r"(?<![\w.-])u?sleep(?![\w.])", re.ASCII)


class Finding(NamedTuple):
    """A finding about a line: its number, one of the four states, the job if it has a name, and the reason."""

    line: int
    state: str
    job: str
    says: str


def check(text: str, *, system: bool = False) -> list[Finding]:
    """Return the findings about each line that runs something, in order."""
    lines = text.split("\n")
    made = set(made_lines(lines))
    return [finding for place in places(lines) for finding in _findings(place, lines, made, system)]


def check_all(crontabs: Iterable[tuple[str, str, bool]]) -> list[tuple[str, Finding]]:
    """Return the findings about several crontabs, each given as (title, text, whether its lines name users).

    They include jobs that have the same name.
    """
    found = [(title, finding) for title, text, system in crontabs for finding in check(text, system=system)]
    result: list[tuple[str, Finding]] = []
    first: dict[str, str] = {}
    for title, finding in found:
        result.append((title, finding))
        if finding.state == GUARDED and finding.job:
            other = first.setdefault(finding.job, where := f"{title} line {finding.line}")
            if other != where:
                says = f"{other} has the same name: if both start in the same minute, one is skipped"
                result.append((title, Finding(finding.line, PROBLEM, finding.job, says)))
    return result


def _findings(place: Place, lines: list[str], made: set[int], system: bool) -> Iterator[Finding]:
    if not is_entry(place.line):
        yield from _of_variable(place)
        return
    try:
        entry = parse_entry(place.line, system=system)
    except UsageError as error:
        yield Finding(place.number, PROBLEM, "", str(error))
        return
    problems = [*_of_command(entry.command)]
    found = find(entry.command)
    job = _job(found, place) if found else ""
    if found:
        problems += _of_guard(entry, found)
        yield Finding(place.number, GUARDED, job, "")
    else:
        yield _plain(place, entry, judge(place, system, lines, made))
    yield from (Finding(place.number, PROBLEM, job, says) for says in problems)


def _plain(place: Place, entry: Entry, verdict: object) -> Finding:
    if not isinstance(verdict, Note):
        return Finding(place.number, UNGUARDED, "", "cronguard crontab wrap can guard it")
    if "cronguard-shell" in verdict.text:
        return Finding(place.number, GUARDED, "", "by SHELL=")
    if is_own(entry.command) and not guards_itself(entry.command) and SKIP not in verdict.text:
        return Finding(place.number, UNGUARDED, "", "mentions cronguard, but also runs other commands")
    is_meant = SKIP in verdict.text or entry.schedule == "@reboot" or is_own(entry.command)
    return Finding(place.number, ALONE if is_meant else UNGUARDED, "", verdict.text)


def _of_variable(place: Place) -> Iterator[Finding]:
    for name in (f"CRONGUARD_{key.upper()}" for key in OF_ONE_LINE):
        if re.match(rf"\s*['\"]?{name}['\"]?\s*=", place.line, re.ASCII):
            yield Finding(
                place.number, PROBLEM, "", f"{name} is for one line, but here it applies to all lines below"
            )


def _of_command(command: str) -> Iterator[str]:
    if length(command) > LONGEST_COMMAND:
        yield f"the command has {length(command)} bytes; cron refuses a crontab with a command of more than {LONGEST_COMMAND}"
    if is_cut_short(command):
        yield CUT_SHORT


def _of_guard(entry: Entry, found: Found) -> Iterator[str]:
    if "--name" not in found.options:
        yield "has no --name: a command that differs between nodes is a different job on each of them"
    before = entry.command[: entry.command.find("cronguard")]
    if _SLEEP.search(before) and "--schedule" not in found.options:
        yield f"starts late: add --schedule '{' '.join(entry.schedule.split())}'"
    said = re.sub(r"['\"]", "", found.options.get("--schedule", ""))
    if said and said.split() != entry.schedule.removeprefix("-").split():
        yield f"--schedule {said!r} differs from the line's schedule"
    yield from _outside(found.rest)


def _outside(rest: tuple[Token, ...]) -> Iterator[str]:
    """Report the parts of the line that the shell handles outside the guard."""
    for token, target in zip(rest, [*rest[1:], None], strict=False):
        if token.is_redirect and _truncates(token, target):
            where = target.text if target else ""
            yield f"{token.text} {where} is outside the guard: every node truncates the file; use -c 'WHOLE LINE'"
        elif token.kind == "operator" and not token.is_redirect:
            yield f"everything after {token.text!r} is outside the guard and runs on every node; use -c 'WHOLE LINE'"
            return


def _truncates(token: Token, target: Token | None) -> bool:
    opens = token.text.lstrip("&0123456789") in (">", ">|")
    return opens and target is not None and not target.value.startswith("/dev/")


def _job(found: Found, place: Place) -> str:
    name = found.options.get("--name", "")
    ns = found.options.get("--ns") or place.variables.get("CRONGUARD_NS")
    return f"{ns}/{name}" if ns and name else name
