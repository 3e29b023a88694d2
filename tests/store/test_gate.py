import fcntl
import os

import pytest
from fakes import FakeClock

from cronguard.store.gate import Gate
from cronguard.system.errors import BackendError
from cronguard.system.proctree import stat
from cronguard.system.statedir import StateDir

URL = "dir:/a"


@pytest.fixture
def gate(state, clock):
    return lambda url=URL, patience=30.0: Gate(state, url, patience, clock)


class ReleasingClock(FakeClock):
    """A clock whose sleep triggers an event elsewhere."""

    def __init__(self, event):
        super().__init__()
        self.event = event

    def sleep(self, seconds):
        super().sleep(seconds)
        self.event()


def lock(path, text=None):
    """Hold the gate as another process would, with or without a note that names the holder."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    if text is not None:
        os.pwrite(fd, text.encode().ljust(40), 0)
    return fd


def test_an_open_gate_is_entered_at_once(gate, clock):
    gate().enter()
    assert clock.boot() == 1000.0


def test_a_left_gate_is_open(gate):
    first = gate()
    first.enter()
    first.leave()
    gate().enter()


def test_leaving_without_having_entered_is_not_an_error(gate):
    gate().leave()


def test_a_second_process_waits_while_the_first_may_still_be_answered(gate, state):
    fd = lock(state.path("gate", URL), "4711 990.00")
    clock = ReleasingClock(lambda: os.close(fd))
    Gate(state, URL, 30.0, clock).enter()
    assert clock.boot() > 1000.0


def test_a_second_process_is_refused_at_once_when_the_first_is_stuck(gate, clock, state):
    me = stat(os.getpid())
    fd = lock(state.path("gate", URL), f"{me.pid} {me.start} 969.00")
    with pytest.raises(BackendError, match=f"process {me.pid} of this node is still waiting") as refusal:
        gate().enter()
    assert refusal.value.status == 69
    assert clock.boot() == 1000.0
    os.close(fd)


def test_a_second_process_gives_up_when_the_first_has_had_its_time(gate, clock):
    first = gate()
    first.enter()
    with pytest.raises(BackendError, match=f"process {os.getpid()} "):
        gate().enter()
    assert 1030.0 < clock.boot() < 1030.1


def test_the_note_of_an_earlier_holder_does_not_count_against_the_present_one(gate, state, clock):
    first = gate()
    first.enter()
    first.leave()
    clock.advance(3600)
    fd = lock(
        state.path("gate", URL)
    )  # another process has just taken the lock, and not written its note yet
    later = ReleasingClock(lambda: os.close(fd))
    later.now_boot = clock.boot()
    Gate(state, URL, 30.0, later).enter()


def test_a_holder_that_has_not_written_its_note_is_waited_for(gate, state):
    fd = lock(state.path("gate", URL), "")
    Gate(state, URL, 30.0, ReleasingClock(lambda: os.close(fd))).enter()


def test_a_waiting_process_is_notified_when_others_were_answered(gate, state):
    first, told = gate(), []
    first.enter()
    Gate(state, URL, 30.0, ReleasingClock(first.leave), lambda: told.append(True)).enter()
    assert told == [True]


def test_a_waiting_process_is_not_notified_without_an_answer(gate, state):
    first = gate()
    first.enter()
    first.leave()
    fd, told = lock(state.path("gate", URL)), []
    Gate(state, URL, 30.0, ReleasingClock(lambda: os.close(fd)), lambda: told.append(True)).enter()
    assert told == []


def test_each_backend_has_its_own_gate(gate):
    gate("dir:/a").enter()
    gate("dir:/b").enter()


def test_a_node_without_a_usable_state_directory_has_no_gate(clock):
    Gate(StateDir("/dev/null/none", "web1"), URL, 30.0, clock).enter()


def test_a_process_stuck_in_the_kernel_closes_the_gate_while_it_exists(gate):
    gate().mark_stuck(stat(os.getpid()))
    with pytest.raises(BackendError, match=f"process {os.getpid()} of this node"):
        gate().enter()


def test_a_stuck_process_closes_only_the_gate_of_its_own_backend(gate):
    gate("dir:/a").mark_stuck(stat(os.getpid()))
    gate("dir:/b").enter()


def test_a_stuck_process_whose_pid_was_reused_does_not_close_the_gate(gate, state):
    row = stat(os.getpid())
    gate().mark_stuck(row._replace(start=row.start - 1))
    gate().enter()
    assert state.load("stuck", URL) == b""


def test_a_stuck_process_that_is_gone_does_not_close_the_gate(gate):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    row = stat(pid)
    for is_reaped in (False, True):
        if is_reaped:
            os.waitpid(pid, 0)
        gate().mark_stuck(row)
        later = gate()
        later.enter()
        later.leave()


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b"x", b"one two", b"7 x", b"\xff \xff", b"1 2 3"])
def test_a_corrupt_note_of_a_stuck_process_does_not_close_the_gate(gate, state, content):
    state.store("stuck", URL, content)
    gate().enter()


@pytest.mark.parametrize("content", ["x", "x 7", "4711", "4711 soon", "\0" * 40])
def test_a_holder_with_a_corrupt_note_is_waited_for(state, content):
    fd = lock(state.path("gate", URL), content)
    Gate(state, URL, 30.0, ReleasingClock(lambda: os.close(fd))).enter()


def test_a_command_that_only_looks_is_refused_while_a_process_is_stuck_in_the_gate(gate, state):
    me = stat(os.getpid())
    fd = lock(state.path("gate", URL), f"{me.pid} {me.start} 969.00")
    with pytest.raises(BackendError, match=f"process {me.pid} of this node is still waiting"):
        gate().check()
    os.close(fd)


def test_a_command_that_only_looks_does_not_wait_for_a_process_that_may_still_be_answered(gate, clock):
    gate().check()
    gate().enter()
    gate().check()
    assert clock.boot() == 1000.0
