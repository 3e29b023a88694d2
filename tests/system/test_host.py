import json
import os
import subprocess
import sys

import pytest

from cronguard.system import host as hosts
from cronguard.system.host import machine_id, this_host

PROBE = "import json; from cronguard.system.host import this_host; print(json.dumps(this_host()))"
CONTAINER = ["unshare", "--pid", "--fork", "--kill-child"]


def probe(*wrapped_by):
    done = subprocess.run([*wrapped_by, sys.executable, "-c", PROBE], capture_output=True, check=True)
    return json.loads(done.stdout)


needs_containers = pytest.mark.skipif(
    subprocess.run([*CONTAINER, "true"], check=False, capture_output=True).returncode,
    reason="needs root, to make namespaces",
)


@needs_containers
def test_each_container_has_its_own_name_on_the_same_machine():
    one, other = (probe(*CONTAINER, "--mount-proc") for _ in range(2))
    assert one[0] == other[0] == machine_id()
    assert one[1] != other[1] and "" not in (one[1], other[1])


@needs_containers
def test_the_start_of_process_1_is_part_of_the_name_because_numbers_are_used_again():
    _, name, begun = probe(*CONTAINER, "--mount-proc")
    assert int(name.partition("@")[2]) == pytest.approx(begun * os.sysconf("SC_CLK_TCK"))


@needs_containers
def test_all_processes_of_a_container_give_it_the_same_name():
    script = '"$@"; "$@"'
    argv = [*CONTAINER, "--mount-proc", "sh", "-c", script, "sh", sys.executable, "-c", PROBE]
    first, second = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    assert first == second


@needs_containers
def test_a_container_that_hides_its_process_1_has_no_name_twice():
    """Without --mount-proc, /proc is that of the machine: its process 1 is another."""
    script = '"$@"; "$@"'
    argv = [*CONTAINER, "sh", "-c", script, "sh", sys.executable, "-c", PROBE]
    lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
    (_, one, begun), (_, other, _) = map(json.loads, lines)
    assert one != other and begun is None


def test_a_machine_itself_is_no_container(monkeypatch):
    monkeypatch.setattr(hosts.os, "readlink", lambda path: "pid:[4026531836]")
    assert this_host() == (machine_id(), "", 0.0)


def test_a_kernel_without_namespaces_has_no_containers(monkeypatch):
    def no_namespaces(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(hosts.os, "readlink", no_namespaces)
    assert this_host() == (machine_id(), "", 0.0)
