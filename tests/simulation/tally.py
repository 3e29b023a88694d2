"""The results of a range of seeds, and the running total in docs/proof.md."""

import os
import re
from typing import NamedTuple

PROOF = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "proof.md")
_BEGIN, _END = "<!-- simulation: begin -->", "<!-- simulation: end -->"
_ROW = re.compile(r"\| (\d+) to (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|")
_HEAD = """| seeds | schedules | runs | overlaps | lost ticks | other violations |
|---|---|---|---|---|---|
"""


class Tally(NamedTuple):
    """Sums over schedules."""

    schedules: int = 0
    runs: int = 0
    overlaps: int = 0
    lost: int = 0
    others: int = 0

    def plus(self, other):
        """Return the sum of both."""
        return Tally(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def of(world, violations):
    """Return the result of one schedule."""
    names = [name for name, _ in violations]
    overlaps, lost = names.count("overlaps"), names.count("lost_ticks")
    ran = sum(1 for run in world.runs if run.ran())
    return Tally(1, ran, overlaps, lost, len(names) - overlaps - lost)


def add(first, last, tally, path=PROOF):
    """Add a row for the seeds `first` to `last` to the table between the marks, and update the total."""
    before, rows, after = _read(path)
    _check_disjoint(rows, first, last)
    rows[first, last] = tally
    text = f"{before}{_BEGIN}\n{_table(rows)}{_END}{after}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def check(first, last, path=PROOF):
    """Raise ValueError if adding these seeds would count some of them twice."""
    _check_disjoint(_read(path)[1], first, last)


def _read(path):
    """Return the text before the table, its rows, and the text after it."""
    with open(path, encoding="utf-8") as file:
        before, rest = file.read().split(_BEGIN)
    table, after = rest.split(_END)
    rows = {(int(row[0]), int(row[1])): Tally(*map(int, row[2:])) for row in _ROW.findall(table)}
    return before, rows, after


def _check_disjoint(rows, first, last):
    """Check that no seed is counted twice: the same range replaces its row, other ranges must not overlap."""
    for begin, end in rows:
        if (begin, end) != (first, last) and begin <= last and first <= end:
            raise ValueError(
                f"seeds {begin} to {end} are already in the table: choose others than {first} to {last}"
            )


def _table(rows):
    total = Tally()
    for tally in rows.values():
        total = total.plus(tally)
    lines = [_line(f"{first} to {last}", tally) for (first, last), tally in sorted(rows.items())]
    return _HEAD + "".join(lines) + _line("**total**", total)


def _line(name, tally):
    return f"| {name} | {' | '.join(map(str, tally))} |\n"
