import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from processes import Seen, wait_until

from cronguard.system import clock as clocks
from cronguard.system.clock import Clock, clock_name, process_started

PROBE = """
import json, os, time
from cronguard.system.clock import Clock, clock_name, process_started
print(json.dumps([process_started(Clock()), clock_name(), Clock().boot(), time.clock_gettime(time.CLOCK_MONOTONIC)]))
"""
# A process that is in one time namespace, and whose children would be in another, as `unshare --time` leaves its
# command until Linux 6.1. Since then, only a process that calls unshare itself is in this state.
BETWEEN = """
import ctypes, os, sys, time
from cronguard.system import clock
if ctypes.CDLL(None, use_errno=True).unshare(0x80):
    raise OSError(ctypes.get_errno(), "unshare")
with open("/proc/self/timens_offsets", "w") as file:
    file.write("boottime 5000 0")
"""


def shifted(seconds, *more):
    """Return the command that executes another in a new time namespace."""
    return ["unshare", "--time", f"--boottime={seconds}", *more]


def can_shift():
    return subprocess.run([*shifted(1), "true"], check=False, capture_output=True).returncode == 0


needs_shift = pytest.mark.skipif(not can_shift(), reason="needs root and a kernel with time namespaces")


def probe(*wrapped_by):
    """Return what a process says: its start, its clock's name, boot time and the time of the monotonic clock."""
    done = subprocess.run([*wrapped_by, sys.executable, "-c", PROBE], capture_output=True, check=True)
    return json.loads(done.stdout)


def between(script, **popen):
    """Start a script in a process whose children would be in another time namespace."""
    argv = [sys.executable, "-c", BETWEEN + script]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, **popen)


def start_between(times=5):
    """Yield for some processes the boot time before their start, their own answers, and the boot time after it."""
    for _ in range(times):
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        with subprocess.Popen([sys.executable, "-c", PROBE], stdout=subprocess.PIPE, text=True) as process:
            after = time.clock_gettime(time.CLOCK_BOOTTIME)
            started, name, *_ = json.loads(process.stdout.read())
        yield before, started, after, name


def test_the_start_time_of_a_process_is_at_most_two_clock_ticks_late():
    grain = 1 / os.sysconf("SC_CLK_TCK")
    for before, started, after, _ in start_between():
        assert before <= started <= after + 2 * grain


def test_the_start_time_of_a_process_is_never_in_the_future(monkeypatch):
    """The clock shows the moment of the start, which is before the end of its clock tick."""
    monkeypatch.setattr(clocks, "_start_of", lambda process: 1000)
    moment = 1000 / os.sysconf("SC_CLK_TCK") + 0.001
    assert process_started(At(moment)) == moment


class At(Clock):
    def __init__(self, boot):
        self._boot = boot

    def boot(self):
        return self._boot


def test_all_processes_of_one_boot_name_the_same_clock():
    assert {name for *_, name in start_between(2)} == {clock_name()}


def test_records_of_earlier_versions_name_the_clock_of_a_machine_as_this_version_does():
    """An upgrade must not make a node forget what it saw, or take a run by hand for another machine's."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        assert clock_name() == f"{file.read().strip()}/{os.readlink('/proc/self/ns/time')}"


@needs_shift
def test_two_time_namespaces_are_two_clocks_even_if_the_second_has_the_number_of_the_first():
    names = [probe(*shifted(seconds))[1] for seconds in (1000, 500_000)]
    assert len({*names, clock_name()}) == 3


@needs_shift
def test_time_namespaces_with_the_same_shift_are_one_clock():
    assert probe(*shifted(1000))[1] == probe(*shifted(1000))[1]
    assert probe(*shifted(0))[1] == clock_name()


@needs_shift
def test_a_shift_of_the_monotonic_clock_is_part_of_the_name():
    assert probe(*shifted(0, "--monotonic=7"))[1] != clock_name()


@needs_shift
def test_a_process_whose_children_are_in_another_time_namespace_cannot_name_its_clock():
    """The kernel describes only the children's namespace, so this one could be any."""
    script = "os.fork() == 0 and os._exit(0)\nprint(clock.clock_name())\nprint(clock.clock_name())"
    nested = [*shifted(1000), sys.executable, "-c", BETWEEN + script]
    names = subprocess.run(nested, capture_output=True, text=True, check=True).stdout.split("\n")[:2]
    assert len({*names, probe(*shifted(5000))[1]}) == 3


@needs_shift
def test_a_run_enters_the_time_namespace_of_its_children_and_keeps_its_own_start_and_status():
    script = """
before = clock.process_started(clock.Clock())
clock.enter_time_namespace()
if not (child := os.fork()):
    print(clock.clock_name(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(clock.clock_name())
print(clock.Clock().boot() - time.clock_gettime(time.CLOCK_MONOTONIC) > 4000)
print(abs(clock.process_started(clock.Clock()) - 5000 - before) < 0.001)
sys.exit(3)
"""
    process = between(script)
    *names, is_shifted, is_as_old = process.communicate()[0].split("\n")[:4]
    assert names == [probe(*shifted(5000))[1]] * 2
    assert (is_shifted, is_as_old, process.returncode) == ("True", "True", 3)


@needs_shift
def test_a_signal_to_the_process_that_cron_started_reaches_the_one_that_entered_the_time_namespace():
    script = """
import signal
clock.enter_time_namespace()
def end(*_):
    print("ended", flush=True)
    os._exit(4)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    signal.pause()
"""
    process = between(script)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[0] == "ended\n" and process.returncode == 4


@needs_shift
def test_the_process_that_entered_the_time_namespace_does_not_outlive_the_one_that_cron_started():
    process = between("clock.enter_time_namespace()\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
    child = Seen.of(int(process.stdout.readline()))
    process.kill()
    process.communicate()
    wait_until(lambda: not child.is_alive, "the end of the child")


def test_an_ordinary_run_does_not_fork_to_enter_a_time_namespace(monkeypatch):
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("it forked"))
    clocks.enter_time_namespace()


def test_a_kernel_without_time_namespaces_has_one_clock(monkeypatch):
    def no_namespaces(path):
        raise FileNotFoundError(path)

    here = clock_name()
    monkeypatch.setattr(os, "readlink", no_namespaces)
    assert clock_name() == here.partition("/")[0]
    clocks.enter_time_namespace()


def test_a_clock_whose_shift_cannot_be_read_has_no_name_twice(monkeypatch):
    real = open

    def refused(path, *more, **how):
        if str(path).endswith("timens_offsets"):
            raise PermissionError(errno.EACCES, "refused", path)
        return real(path, *more, **how)

    monkeypatch.setattr("builtins.open", refused)
    monkeypatch.setattr(os, "readlink", lambda path: "time:[7]")
    assert clock_name() != clock_name()


@needs_shift
def test_boot_time_continues_during_suspend():
    """A time namespace shifts boot time alone, as a suspended machine does."""
    _, _, boot, monotonic = probe(*shifted(5000))
    assert boot - monotonic > 4000


def test_wall_time_is_seconds_since_1970(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1795325400.5)
    assert Clock().wall() == 1795325400.5


def test_sleeping_for_a_negative_time_returns_at_once():
    Clock().sleep(-5)


def test_boot_time_is_not_the_clock_that_stops_during_suspend(monkeypatch):
    """Without a suspend, both clocks show the same."""
    shown = {time.CLOCK_BOOTTIME: 5000.0, time.CLOCK_MONOTONIC: 400.0}
    monkeypatch.setattr(time, "clock_gettime", lambda number: shown[number])
    assert Clock().boot() == 5000.0
