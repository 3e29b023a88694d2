"""When the jobs ran, by one clock: the host's.

The nodes' own clocks differ, stand still and jump, so nothing of theirs is believed. A job's mark is an empty file
on the host; its inode change time is the host's and cannot be set by a node. A run that was killed leaves no last
mark: it is taken to have lived one beat longer than its last one.
"""

import os
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations, pairwise

BEAT = 0.25  # a job marks every 0.2 s; the rest is what a busy machine makes of it


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job, from its first mark to its last."""

    job: str
    tick: str
    token: int
    node: str
    pid: int
    marks: tuple[float, ...]
    stopped: bool  # it came to its own end

    @property
    def start(self):
        return self.marks[0]

    @property
    def end(self):
        return self.marks[-1] if self.stopped else self.marks[-1] + BEAT

    def overlaps(self, other):
        return self.start < other.end and other.start < self.end

    def __str__(self):
        end = "stopped" if self.stopped else "last seen"
        return f"{self.job} {self.tick} token {self.token} on {self.node}: {self.start:.2f}, {end} {self.end:.2f}"


def read_runs(folder):
    """The runs that left marks in the folder, in the order of their starts."""
    marks = defaultdict(dict)
    for entry in os.scandir(folder):
        *run, mark = entry.name.split(",")
        marks[tuple(run)][mark] = entry.stat().st_ctime_ns / 1e9
    return sorted((_run(*key, found) for key, found in marks.items()), key=lambda run: run.start)


def _run(job, tick, token, node, pid, marks):
    return Run(job, tick, int(token), node, int(pid), tuple(sorted(marks.values())), "stop" in marks)


def overlaps(runs):
    """The pairs of runs of one job that lived at the same time: there must be none."""
    return [(a, b) for a, b in combinations(runs, 2) if a.job == b.job and a.overlaps(b)]


def disorder(runs):
    """The pairs of successive runs of one job whose tokens do not grow: there must be none."""
    return [(a, b) for of_job in _by(runs, "job").values() for a, b in pairwise(of_job) if a.token >= b.token]


def ticks(runs):
    """For each job and tick, its runs."""
    return _by(runs, "job", "tick")


def _by(runs, *names):
    groups = defaultdict(list)
    for run in runs:
        key = tuple(getattr(run, name) for name in names)
        groups[key if len(names) > 1 else key[0]].append(run)
    return groups
