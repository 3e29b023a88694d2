"""The processes that a run left on this node when its guard and its keeper were killed together.

Nobody else would end them, and another node takes the job over when the lease has expired. So the next cronguard of the
same user on this node ends them. It costs one look into a directory, if there are none.
"""

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from cronguard.run import note as notes
from cronguard.run.endgame import Endgame
from cronguard.run.tree import below, credible, grouped
from cronguard.system import proctree
from cronguard.system.proctree import Stat
from cronguard.system.stderr import say

if TYPE_CHECKING:
    from cronguard.run.effects import Kernel
    from cronguard.run.note import Note
    from cronguard.system.clock import Clock
    from cronguard.system.log import Log

_PATIENCE = 1.0  # seconds of SIGKILL: the new run must not wait for a process that is stuck in the kernel
_LONGEST = 5.0  # seconds until SIGKILL: the new run, of another job perhaps, has ticks of its own
_ROUND = 0.05


class Ended(NamedTuple):
    """What became of a dead run: the PIDs that were ended, and those of daemons, which were left alone.

    With `is_all`, nothing of it can be left but these daemons; otherwise the next cronguard has to look again.
    """

    job: str
    ended: tuple[int, ...]
    daemons: tuple[int, ...]
    is_all: bool = True


def report_leftovers(state: str, clock: "Clock", log: "Log") -> None:
    """End what dead runs have left, and say so: before another run of the job meets it."""
    found = list[Ended]()
    with suppress(OSError):  # without a descriptor to look with, the next cronguard will
        found = end_leftovers(state, clock)
    for one in found:
        if one.ended:
            pids = " ".join(map(str, one.ended))
            say(f"{one.job}: killed processes {pids}, which a run left when cronguard itself was killed")
            log.write("warning", "leftover", about=one.job, pids=pids)
        if one.daemons:
            pids = " ".join(map(str, one.daemons))
            say(f"{one.job}: processes {pids} of a killed run are daemons, and were left running")


def end_leftovers(state: str, clock: "Clock", kernel: "Kernel" = proctree) -> list[Ended]:
    """End what dead runs have left. Takes `kill_after` and a second at most for each; usually there is none."""
    found = list[Ended]()
    for path in notes.written(state):
        if taken := notes.take(path):
            fd, note = taken
            if note and note.is_ours:
                found.append(_end(note, clock, kernel))
            if note is None or (note.is_ours and found[-1].is_all):
                with suppress(OSError):
                    os.unlink(path)
            os.close(fd)
    return [one for one in found if one.ended or one.daemons]


def _end(note: "Note", clock: "Clock", kernel: "Kernel") -> Ended:
    endgame, seen = Endgame(_PATIENCE), dict[int, Stat]()
    own, daemons, is_all = left_of(note, kernel)
    endgame.stop(clock.boot() + min(note.kill_after, _LONGEST))
    while own and not endgame.is_hopeless:
        signum = endgame.order(clock.boot())
        for row in own:
            seen[row.pid] = row
            if signum:
                kernel.send(row, signum)
            if signum == signal.SIGTERM:
                kernel.send(row, signal.SIGCONT)  # a stopped process reacts to no other signal
        clock.sleep(_ROUND)
        own, daemons, is_all = left_of(note, kernel)
    return Ended(note.job, tuple(seen), tuple(row.pid for row in daemons), is_all and not own)


def left_of(note: "Note", kernel: "Kernel") -> tuple[list[Stat], list[Stat], bool]:
    """Return the run's own processes; its daemons, which are in sessions of their own; and whether these are all.

    Its own are proved by the mark in their environment, by descent from such a process, or by the command's process
    group; and they are in the session in which the run was started.
    """
    rows = kernel.table()
    carriers, is_complete = kernel.marked("CRONGUARD_RUN", note.run)
    roots = {row.pid: row for row in (*carriers, *grouped(rows, note.leader, note.session))}
    found = credible({**roots, **below(rows, roots)}.values(), rows, note.leader, kernel.me().pid)
    own = [row for row in found if row.session == note.session]
    return own, [row for row in found if row.session != note.session], is_complete
