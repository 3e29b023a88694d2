"""Which processes are the command's, and which are never killed, whatever the process table looks like."""

from hypothesis import given
from hypothesis import strategies as st

from cronguard.run.tree import below, lineage, orphaned
from cronguard.system.proctree import Stat

GUARD, ME, LEADER, SESSION = 10, 11, 12, 5


def row(pid, parent, start=100, group=0, session=SESSION, *, is_zombie=False):
    return Stat(pid, parent, group or pid, session, start, is_zombie)


LEAD = row(LEADER, GUARD, start=50)
TABLE = {
    each.pid: each
    for each in (
        row(1, 0, start=0),
        row(5, 1, start=1),
        row(GUARD, 5, start=40),
        row(ME, GUARD, start=45),
        LEAD,
    )
}


def table(*rows):
    return {**TABLE, **{each.pid: each for each in rows}}


def pids(rows):
    return {each.pid for each in rows}


def test_what_descends_from_the_leader_is_the_commands():
    assert pids(orphaned(table(row(20, LEADER), row(21, 20)), LEAD, [], ME)) == {LEADER, 20, 21}


def test_what_was_seen_below_the_guard_is_the_commands_wherever_it_is_now():
    seen = row(30, 1, session=30)
    assert 30 in pids(orphaned(table(seen, row(31, 30)), LEAD, [seen], ME))


def test_a_later_process_with_a_pid_that_was_seen_is_not():
    assert 30 not in pids(orphaned(table(row(30, 1, start=101)), LEAD, [row(30, GUARD, start=100)], ME))


def test_a_later_process_with_the_leaders_pid_is_not():
    rows = table(row(LEADER, 1, start=500, group=99, session=99), row(20, LEADER))
    assert orphaned(rows, LEAD, [], ME) == []


def test_a_process_of_the_leaders_group_is_the_commands_and_one_of_another_session_is_not():
    rows = table(row(40, 1, group=LEADER), row(41, 1, group=LEADER, session=99))
    assert pids(orphaned(rows, LEAD, [], ME)) == {LEADER, 40}


def test_a_process_that_is_older_than_the_leader_is_not():
    assert 40 not in pids(orphaned(table(row(40, 1, start=49, group=LEADER)), LEAD, [], ME))


def test_the_subtree_of_an_exception_is_left_out():
    rows = table(row(20, ME), row(21, 20), row(22, GUARD))
    assert set(below(rows, [GUARD], {ME})) == {LEADER, 22}


ROWS = st.lists(
    st.builds(
        row, st.integers(1, 30), st.integers(0, 30), start=st.integers(0, 200), group=st.integers(1, 30),
        session=st.sampled_from([SESSION, 7]), is_zombie=st.booleans(),
    )
)  # fmt: skip


@given(ROWS, ROWS, st.integers(1, 30))
def test_neither_process_1_nor_we_nor_our_ancestors_nor_the_dead_are_ever_killed(rows, seen, me):
    found = orphaned(now := {each.pid: each for each in rows}, LEAD, seen, me)
    assert not pids(found) & lineage(now, me)
    assert not any(each.is_zombie or each.start < LEAD.start or each.pid == 1 for each in found)


def test_a_group_whose_number_has_another_owner_by_now_is_another_group():
    rows = table(row(LEADER, 1, start=500), row(40, 1, start=501, group=LEADER))
    assert orphaned(rows, LEAD, [], ME) == []
