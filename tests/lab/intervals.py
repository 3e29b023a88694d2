"""When the jobs ran, by a single clock: the host's.

The nodes' own clocks differ, stop and jump, so they are not trusted. A job's mark is an empty file on the host; its
inode change time is the host's and cannot be set by a node. A run that was killed leaves no final mark, and counts as
alive for one more beat after its last one.
"""

import os
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations, pairwise

BEAT = 0.25  # seconds: a job leaves a mark every 0.2 s; the rest allows for a busy machine


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job, from its first mark to its last."""

    job: str
    tick: str
    token: int
    node: str
    pid: int
    marks: tuple[float, ...]
    stopped: bool  # it ended by itself

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
    """Return the runs that left marks in the directory, in the order in which they started."""
    marks = defaultdict(dict)
    for entry in os.scandir(folder):
        *run, mark = entry.name.split(",")
        marks[tuple(run)][mark] = entry.stat().st_ctime_ns / 1e9
    return sorted((_run(*key, found) for key, found in marks.items()), key=lambda run: run.start)


def _run(job, tick, token, node, pid, marks):
    return Run(job, tick, int(token), node, int(pid), tuple(sorted(marks.values())), "stop" in marks)


def overlaps(runs):
    """Return the pairs of runs of one job that were alive at the same time: there must be none."""
    return [(a, b) for a, b in combinations(runs, 2) if a.job == b.job and a.overlaps(b)]


def disorder(runs):
    """Return the pairs of successive runs of one job whose tokens do not grow: there must be none."""
    return [(a, b) for of_job in _by(runs, "job").values() for a, b in pairwise(of_job) if a.token >= b.token]


def ticks(runs):
    """Return the runs for each job and tick."""
    return _by(runs, "job", "tick")


def _by(runs, *names):
    groups = defaultdict(list)
    for run in runs:
        key = tuple(getattr(run, name) for name in names)
        groups[key if len(names) > 1 else key[0]].append(run)
    return groups
