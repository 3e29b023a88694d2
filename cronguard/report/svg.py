"""Runs as an SVG picture: a lane for each node, time from left to right.

The standard library's ElementTree makes it, and escapes the names of nodes and jobs. A plotting library would be
sixty megabytes for a few rectangles, and svgwrite is no longer maintained.
"""

import math
import time
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from cronguard.report.history import MISSED, OVERRUN, Run

_COLOURS = {
    "done": "#2e7d32", "failed": "#c62828", "timed-out": "#e65100", "lost": "#8e24aa", "crashed": "#6a1b9a", "cancelled": "#f9a825",
    "running": "#1565c0", "revoked": "#f9a825", MISSED: "#c62828", OVERRUN: "#ef6c00",
}  # fmt: skip
_NOBODYS = (MISSED, OVERRUN)
_WIDTH, _LANE, _MARGIN, _LETTER = 960, 28, 24, 7.0
_TOP = 40
_LEAST = 4.0  # even a run of a second in a picture of a week must be visible
_STEPS = (60, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 7 * 86400, 30 * 86400)


def draw(runs: Sequence[Run], now: float) -> str:
    """Return an SVG document of the runs of one or more jobs; a run in progress is drawn up to now."""
    lanes = sorted({(run.job, run.node) for run in runs if run.node})
    jobs = sorted({run.job for run in runs})
    rows = [row for job in jobs for row in [*(lane for lane in lanes if lane[0] == job), *_nobody(runs, job)]]
    names = [f"{job} {node}" if len(jobs) > 1 else node or "(nobody)" for job, node in rows]
    left = _MARGIN + _LETTER * max(map(len, names), default=0) + 12
    height = _TOP + _LANE * len(rows) + 2 * _MARGIN
    root = ET.Element("svg", {
        "xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {_WIDTH} {height}", "width": str(_WIDTH), "height": str(height),
        "font-family": "sans-serif", "font-size": "12",
    })  # fmt: skip
    ET.SubElement(root, "title").text = ", ".join(jobs) or "no runs"
    ET.SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "white"})
    _draw_legend(root, [state for state in _COLOURS if any(run.state == state for run in runs)])
    if runs:
        axis = _Axis(runs, now, left)
        _draw_axis(root, axis, height)
        for row, ((job, node), name) in enumerate(zip(rows, names, strict=True)):
            _draw_lane(root, axis, row, name, [run for run in runs if (run.job, run.node) == (job, node)])
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


class _Axis:
    """Convert times to horizontal positions."""

    def __init__(self, runs: Sequence[Run], now: float, left: float) -> None:
        self.begin = min(run.tick for run in runs)
        self.end = max(
            self.begin + 60, *(run.ended or (now if run.state == "running" else run.tick) for run in runs)
        )
        self.left, self.width, self.now = left, _WIDTH - left - _MARGIN, now

    def place(self, at: float) -> float:
        share = (min(max(at, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return round(self.left + share * self.width, 1)

    def marks(self) -> list[float]:
        most = self.width / 90  # as many labels as fit
        least = (self.end - self.begin) / most
        step = next((step for step in _STEPS if step >= least), math.ceil(least / _STEPS[-1]) * _STEPS[-1])
        first = int(-(-self.begin // step)) * step
        return [float(at) for at in range(first, int(self.end) + 1, step)]


def _nobody(runs: Sequence[Run], job: str) -> list[tuple[str, str]]:
    return [(job, "")] if any(run.job == job and not run.node for run in runs) else []


def _draw_legend(root: ET.Element, states: Sequence[str]) -> None:
    x = float(_MARGIN)
    for state in states:
        paint = (
            {"fill": _COLOURS[state]}
            if state not in _NOBODYS
            else {"fill": "none", "stroke": _COLOURS[state]}
        )
        ET.SubElement(root, "rect", {"x": str(x), "y": "10", "width": "12", "height": "12", **paint})
        ET.SubElement(root, "text", {"x": str(x + 18), "y": "20", "fill": "black"}).text = state
        x += 18 + _LETTER * len(state) + 18


def _draw_axis(root: ET.Element, axis: _Axis, height: float) -> None:
    for at in axis.marks():
        x = str(axis.place(at))
        ET.SubElement(
            root,
            "line",
            {"x1": x, "x2": x, "y1": str(_TOP), "y2": str(height - _MARGIN), "stroke": "#ddd"},
        )
        label = ET.SubElement(
            root, "text", {"x": x, "y": str(height - 8), "text-anchor": "middle", "fill": "#555"}
        )
        label.text = time.strftime("%m-%d %H:%MZ", time.gmtime(at))


def _draw_lane(root: ET.Element, axis: _Axis, row: int, name: str, runs: Sequence[Run]) -> None:
    top = _TOP + row * _LANE
    ET.SubElement(root, "text", {"x": str(_MARGIN), "y": str(top + 18), "fill": "black"}).text = name
    for run in runs:
        start = run.tick if run.started is None else run.started
        end = run.ended if run.ended is not None else axis.now if run.state == "running" else start
        x = axis.place(start)
        bar = {
            "x": str(x),
            "y": str(top + 4),
            "width": str(max(_LEAST, round(axis.place(end) - x, 1))),
            "height": str(_LANE - 8),
        }
        colour = _COLOURS.get(run.state, "#757575")
        paint = {"fill": colour} if run.node else {"fill": "none", "stroke": colour}
        drawn = ET.SubElement(root, "rect", {**bar, **paint})
        ET.SubElement(drawn, "title").text = _said(run)


def _said(run: Run) -> str:
    from cronguard.model.duration import format_duration
    from cronguard.model.tick import Tick

    took = "" if run.seconds is None else f" after {format_duration(run.seconds)}"
    status = f" ({run.status})" if run.status else ""
    where = f" on {run.node}" if run.node else ""
    return f"{run.job} {Tick.of(run.tick).label}{where}: {run.state}{status}{took}"
