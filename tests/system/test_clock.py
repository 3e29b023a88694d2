import json
import os
import subprocess
import sys
import time

from cronguard.system.clock import Clock, boot_id, process_started

PROBE = """
import json, os
from cronguard.system.clock import Clock, boot_id, process_started
print(json.dumps([process_started(Clock()), boot_id()]))
"""


def start_between(times=5):
    """Yield for some processes the boot time before their start, their own answer, and the boot time after it."""
    for _ in range(times):
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        with subprocess.Popen([sys.executable, "-c", PROBE], stdout=subprocess.PIPE, text=True) as process:
            after = time.clock_gettime(time.CLOCK_BOOTTIME)
            started, boot = json.loads(process.stdout.read())
        yield before, started, after, boot


def test_the_start_time_of_a_process_is_at_most_two_clock_ticks_late():
    grain = 1 / os.sysconf("SC_CLK_TCK")
    for before, started, after, _ in start_between():
        assert before <= started <= after + 2 * grain


def test_the_start_time_of_a_process_is_never_in_the_future():
    clock = Clock()
    assert process_started(clock) <= clock.boot()


def test_all_processes_of_one_boot_name_the_same_clock():
    assert {boot for *_, boot in start_between(2)} == {boot_id()}


def test_a_time_namespace_is_another_clock(monkeypatch):
    here = boot_id()
    monkeypatch.setattr(os, "readlink", lambda path: "time:[7]")
    assert boot_id() != here


def test_a_kernel_without_time_namespaces_has_one_clock(monkeypatch):
    def no_namespaces(path):
        raise FileNotFoundError(path)

    here = boot_id()
    monkeypatch.setattr(os, "readlink", no_namespaces)
    assert boot_id() == here.partition("/")[0]


def test_boot_time_continues_during_suspend():
    assert (
        time.clock_gettime(time.CLOCK_BOOTTIME) <= Clock().boot() <= time.clock_gettime(time.CLOCK_BOOTTIME)
    )


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
