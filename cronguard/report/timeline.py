"""Runs as a picture in text: a row for each node, a column for each tick."""

from collections.abc import Sequence
from typing import NamedTuple

from cronguard.report.history import MISSED, OVERRUN, Run


class Mark(NamedTuple):
    """How a state is drawn: in Unicode, in ASCII, and in which colour of the terminal."""

    sign: str
    plain: str
    colour: str


# Each state has its own sign, because a pipe, a printout and a colour-blind person have no colours. Beyond ASCII, only
# signs that every terminal's font has, one column wide.
MARKS = {
    "done": Mark("●", "#", "32"),
    "failed": Mark("✗", "x", "31"),
    "timed-out": Mark("t", "t", "31"),
    "lost": Mark("!", "!", "35"),
    "crashed": Mark("C", "C", "35"),
    "cancelled": Mark("c", "c", "33"),
    "running": Mark("▶", ">", "36"),
    "revoked": Mark("r", "r", "33"),
    MISSED: Mark("○", "o", "31"),
    OVERRUN: Mark("◌", "w", "33"),
}
UNKNOWN = Mark("?", "?", "0")
_NOBODY = "(nobody)"
_NARROWEST = 8  # ticks; a narrower terminal wraps the lines


def draw(runs: Sequence[Run], width: int, *, unicode: bool = True, colour: bool = False) -> str:
    """Return the newest ticks that fit into the width, the oldest on the left, and a legend of the signs.

    If a node had several runs for a tick, the last one is shown.
    """
    if not runs:
        return ""
    nodes = sorted({run.node for run in runs if run.node}) + (
        [_NOBODY] if any(not run.node for run in runs) else []
    )
    margin = max(map(len, nodes)) + 2
    ticks = sorted({run.tick for run in runs})[-max(_NARROWEST, width - margin) :]
    states = {(run.node or _NOBODY, run.tick): run.state for run in runs}
    shown = [run.state for run in runs if run.tick in set(ticks)]
    rows = [
        node.ljust(margin)
        + "".join(_sign(states.get((node, tick)), unicode, colour) for tick in ticks).rstrip()
        for node in nodes
    ]
    return "\n".join([" " * margin + _span(ticks), *rows, _legend(shown, width, unicode, colour)])


def _sign(state: str | None, unicode: bool, colour: bool) -> str:
    if state is None:
        return "·" if unicode else "."
    mark = MARKS.get(state, UNKNOWN)
    sign = mark.sign if unicode else mark.plain
    return f"\x1b[{mark.colour}m{sign}\x1b[0m" if colour else sign


def _span(ticks: Sequence[float]) -> str:
    from cronguard.model.tick import Tick

    first, last = Tick.of(ticks[0]).label, Tick.of(ticks[-1]).label
    gap = len(ticks) - len(first) - len(last)
    return f"{first}{' ' * gap}{last}" if gap > 0 else f"{first} ... {last}" if first != last else first


def _legend(states: Sequence[str], width: int, unicode: bool, colour: bool) -> str:
    words = [
        f"{_sign(state, unicode, colour)} {state}"
        for state in [*MARKS, *sorted(set(states) - MARKS.keys())]
        if state in states
    ]
    lines, used = [""], 0
    for word, plain in zip(words, (f"x {word.split(' ')[-1]}" for word in words), strict=True):
        if used and used + len(plain) + 2 > width:
            lines.append("")
            used = 0
        lines[-1] += ("  " if used else "") + word
        used += len(plain) + 2
    return "\n".join(lines)
