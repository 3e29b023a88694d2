import os
import signal

import pytest

from cronguard.system import proctree


@pytest.mark.parametrize("call", ["fork", "pipe"])
def test_if_no_child_can_be_started_the_environments_are_not_searched_and_nothing_is_raised(
    monkeypatch, call
):
    def refuse():
        raise BlockingIOError(11, "no more")

    monkeypatch.setattr(os, call, refuse)
    assert proctree.carriers("CRONGUARD_RUN", "x") == []


def test_a_carrier_is_found_by_its_environment(tmp_path):
    reader, writer = os.pipe()
    pid = os.posix_spawn(
        "/bin/cat", ["cat"], {"CRONGUARD_RUN": "mine"}, file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0)]
    )
    assert [row.pid for row in proctree.carriers("CRONGUARD_RUN", "mine")] == [pid]
    os.close(writer)
    os.close(reader)
    os.waitpid(pid, 0)


def test_a_process_with_the_same_id_but_another_start_time_is_not_signalled():
    pid = os.posix_spawn(
        "/bin/cat",
        ["cat"],
        {},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/zero", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
        ],
    )
    row = proctree.stat(pid)
    proctree.send(row._replace(start=row.start + 1), signal.SIGKILL)
    proctree.send(row, signal.SIGTERM)
    # The process dies of the first signal that reached it, however long that takes.
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM


def test_a_search_that_cannot_start_a_process_leaves_no_descriptor_open(monkeypatch):
    def refuse():
        raise BlockingIOError(11, "no more")

    monkeypatch.setattr(os, "fork", refuse)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        proctree.carriers("CRONGUARD_RUN", "x")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_carrier_whose_pid_has_another_owner_by_now_is_not_returned(monkeypatch):
    """The child reports PID and start; the row that is read afterwards must be of the same process."""
    reader, writer = os.pipe()
    pid = os.posix_spawn(
        "/bin/cat", ["cat"], {"CRONGUARD_RUN": "mine"}, file_actions=[(os.POSIX_SPAWN_DUP2, reader, 0)]
    )
    real = proctree.stat
    monkeypatch.setattr(
        proctree,
        "stat",
        lambda number: (row := real(number)) and row._replace(start=row.start + (number == pid)),
    )
    monkeypatch.setattr(
        proctree, "_scan", lambda wanted, out: os.write(out, f"{pid}:{real(pid).start} .".encode())
    )
    assert proctree.carriers("CRONGUARD_RUN", "mine") == []
    os.close(writer)
    os.close(reader)
    os.waitpid(pid, 0)
