"""Which processes belong to a run: pure functions of the process table. Every kill rests on them.

While the guard lives, every process that became its child after the fork of the command, and all processes below that
one, are the command's: the guard is a child subreaper, so no process of the command can leave it. Once the guard is
gone, this must be proved: by a row that was seen below the guard while it lived, by descent from such a process, or by
the command's process group. Doubt then leaves a process alive.
"""

from collections.abc import Collection, Iterable, Mapping

from cronguard.system.proctree import Stat

Rows = Mapping[int, Stat]


def below(rows: Rows, roots: Iterable[int], except_for: Collection[int] = ()) -> dict[int, Stat]:
    """Return the processes below the roots, without the roots, without `except_for`, and without what is below those."""
    children: dict[int, list[Stat]] = {}
    for row in rows.values():
        children.setdefault(row.parent, []).append(row)
    found: dict[int, Stat] = {}
    pending = list(roots)
    while pending:
        for row in children.get(pending.pop(), ()):
            if row.pid not in found and row.pid not in except_for:
                found[row.pid] = row
                pending.append(row.pid)
    return found


def orphaned(rows: Rows, leader: Stat, seen: Iterable[Stat], me: int) -> list[Stat]:
    """Return what is left of a command whose guard is gone.

    `leader` is the command's own process, and `seen` are the processes that were below the guard while it lived. `me`
    is our own PID. A process that started before the leader cannot be the command's. Neither can process 1, we, or our
    ancestors: whatever a table seems to show, they are never returned.
    """
    known = {row.pid: row for row in (*seen, leader)}
    roots = {pid for pid, row in known.items() if (now := rows.get(pid)) and now.start == row.start}
    roots |= {row.pid for row in grouped(rows, leader, leader.session)}
    tree = {pid: rows[pid] for pid in roots} | below(rows, roots)
    return credible(tree.values(), rows, leader, me)


def grouped(rows: Rows, leader: Stat, session: int) -> list[Stat]:
    """Return the members of the leader's process group.

    The kernel gives a PID to nobody else as long as a group has its number. So if the leader's PID has another owner,
    its group is gone, and a group of that number is another one.
    """
    owner = rows.get(leader.pid)
    if owner and owner.start != leader.start:
        return []
    return [row for row in rows.values() if (row.group, row.session) == (leader.pid, session)]


def credible(found: Iterable[Stat], rows: Rows, leader: Stat, me: int) -> list[Stat]:
    """Return those that are alive and may be the command's at all."""
    spared = lineage(rows, me)
    return [row for row in found if not row.is_zombie and row.start >= leader.start and row.pid not in spared]


def lineage(rows: Rows, pid: int) -> set[int]:
    """Return a process, its ancestors, and process 1."""
    found = {1}
    while pid not in found and pid in rows:
        found.add(pid)
        pid = rows[pid].parent
    return found | {pid}
