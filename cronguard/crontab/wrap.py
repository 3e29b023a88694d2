"""Put a guard before each command of a crontab, and remove it again."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from cronguard.crontab import names
from cronguard.crontab.guarded import Flock, Guard, find, flock_of, is_own, without
from cronguard.crontab.lines import (
    LONGEST_COMMAND,
    Entry,
    Place,
    is_entry,
    length,
    parse_entry,
    places,
    shell_part,
)
from cronguard.crontab.shell import CUT_SHORT, is_cut_short, scan
from cronguard.crontab.split import made_lines
from cronguard.system.errors import UsageError

SKIP = "# cronguard: skip"
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "rbash"})
_LATE = re.compile(r"(?<![\w.-])(?:sleep|usleep|run-parts|anacron)(?![\w.])", re.ASCII)
_EVERY_NODES = re.compile(
    r"(?<![\w.-])(?:run-parts|anacron|logrotate|checkarray|certbot|debian-sa1)(?![\w.])", re.ASCII
)


class Guarding(NamedTuple):
    """How to guard lines: with which program, and in which namespace. `default_ns` applies if the crontab sets none."""

    program: str = "cronguard"
    ns: str | None = None
    default_ns: str | None = None
    system: bool = False
    replace_flock: bool = False
    taken: frozenset[str] = frozenset()  # names that other crontabs use in the namespace


class Note(NamedTuple):
    """A note for the user about a line. `stays`: the line was not changed."""

    number: int
    text: str
    stays: bool


class Rewritten(NamedTuple):
    """A rewritten crontab, and notes about its lines."""

    text: str
    notes: tuple[Note, ...]


class Candidate(NamedTuple):
    """A line that can be guarded. `late`: cron may start the guard after the scheduled minute."""

    place: Place
    entry: Entry
    late: bool


def wrap(text: str, guarding: Guarding) -> Rewritten:
    """Guard each line that can be guarded without changing what it does; note why the others stay as they are."""
    lines = text.split("\n")
    made = set(made_lines(lines))
    verdicts = [judge(place, guarding.system, lines, made) for place in places(lines)]
    notes = [verdict for verdict in verdicts if isinstance(verdict, Note)]
    candidates = [verdict for verdict in verdicts if isinstance(verdict, Candidate)]
    locks = Counter(flock.lock for candidate in candidates if (flock := flock_of(candidate.entry.command)))
    for candidate, name in zip(candidates, _names(candidates, text, guarding), strict=True):
        line, said = _guarded(candidate, name, guarding, locks)
        lines[candidate.place.number - 1] = line
        notes += said
    return Rewritten("\n".join(lines), tuple(sorted(notes)))


def unwrap(text: str, *, system: bool = False) -> Rewritten:
    """Remove the guards that `wrap` has added; note which other guards stay."""
    lines, notes = text.split("\n"), []
    for place in places(lines):
        if not is_entry(place.line):
            continue
        try:
            entry = parse_entry(place.line, system=system)
        except UsageError as error:
            notes.append(Note(place.number, str(error), True))
            continue
        plain = without(entry.command)
        if plain is not None:
            lines[place.number - 1] = "".join(entry._replace(command=plain))
        elif find(entry.command):
            notes.append(Note(place.number, "was not guarded by wrap, or has been edited since", True))
    return Rewritten("\n".join(lines), tuple(notes))


def judge(place: Place, system: bool, lines: list[str], made: set[int]) -> Candidate | Note | None:
    """Return the line as a candidate for a guard, or a note why it stays; None if it is not an entry."""
    if not is_entry(place.line):
        return None
    try:
        entry = parse_entry(place.line, system=system)
        reason = next(_reasons(place, entry, lines, made), None)
        if reason is None:
            _check_schedule(entry.schedule, place.zone)
            shell = shell_part(entry.command)
            if shell.strip():
                return Candidate(place, entry, bool(_LATE.search(shell)))
            reason = "runs nothing"
    except UsageError as error:
        reason = f"{error} ({error.hint})" if error.hint else str(error)
    return Note(place.number, reason, True)


def _reasons(place: Place, entry: Entry, lines: list[str], made: set[int]) -> Iterator[str]:
    above = lines[place.number - 2].strip() if place.number > 1 else ""
    shell = place.variables.get("SHELL", "/bin/sh").rpartition("/")[2]
    last = scan(shell_part(entry.command)).tokens[-1:]
    if above == SKIP or any(token.kind == "comment" and token.text.strip() == SKIP for token in last):
        yield f"marked {SKIP!r}"
    if is_own(entry.command):
        yield "already has a guard, or runs cronguard itself"
    if shell == "cronguard-shell":
        yield "is guarded by SHELL=, which is cronguard-shell"
    if entry.schedule == "@reboot":
        yield "@reboot concerns this machine only, and has no tick that the nodes share"
    if place.number in made:
        yield "was made by time-slice"
    if shell not in _SHELLS:
        yield f"SHELL={place.variables['SHELL']} may treat quotes differently from sh"
    if "~" in entry.schedule:
        yield "'~' in the schedule picks a different time on each node; write a fixed time"


def _check_schedule(schedule: str, zone: str | None) -> None:
    from cronguard.schedule.schedule import Schedule

    Schedule.parse(schedule.removeprefix("-"), zone)


def names_in(text: str, *, system: bool) -> Iterator[str]:
    """Yield the job names in guarded lines."""
    for line in filter(is_entry, text.split("\n")):
        try:
            found = find(parse_entry(line, system=system).command)
        except UsageError:
            continue
        if found and found.options.get("--name"):
            yield found.options["--name"]


def _names(candidates: list[Candidate], text: str, guarding: Guarding) -> list[str]:
    stems = []
    for _, entry, _ in candidates:
        meaning = " ".join([*entry.schedule.split(), entry.command])
        stems.append((names.stem(shell_part(entry.command)), meaning))
    return names.unique(stems, {*names_in(text, system=guarding.system), *guarding.taken})


def _guarded(
    candidate: Candidate, name: str, guarding: Guarding, locks: Counter[str]
) -> tuple[str, list[Note]]:
    place, entry, late = candidate
    ns = guarding.ns or (None if place.variables.get("CRONGUARD_NS") else guarding.default_ns)
    when = (" ".join(entry.schedule.removeprefix("-").split()), place.zone) if late else (None, None)
    guard = Guard(guarding.program, ns, name, *when)
    flock = flock_of(entry.command)
    replaces = flock is not None and guarding.replace_flock and locks[flock.lock] == 1
    command = guard.instead_of(flock) if flock and replaces else guard.before(entry.command)
    if length(command) > LONGEST_COMMAND:
        reason = f"its command would have {length(command)} bytes, but cron accepts at most {LONGEST_COMMAND}; move it into a script"
        return place.line, [Note(place.number, reason, True)]
    said = [Note(place.number, text, False) for text in _advice(entry.command, flock, replaces, locks)]
    return "".join(entry._replace(command=command)), said


def _advice(command: str, flock: Flock | None, replaces: bool, locks: Counter[str]) -> Iterator[str]:
    if flock and locks[flock.lock] > 1:
        yield f"{flock.text.strip()!r} stays: other lines use the same lock file"
    elif flock and not replaces:
        yield f"{flock.text.strip()!r} is no longer needed; --replace-flock removes it"
    if is_cut_short(command):
        yield CUT_SHORT
    if found := _EVERY_NODES.search(shell_part(command)):
        yield f"if {found[0]} must run on every node, put the line {SKIP!r} above"
