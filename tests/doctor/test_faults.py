"""Faults that are put into a healthy node, one at a time: doctor finds each one, and reports nothing else.

docs/doctor.md lists them.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import fusefs
import pytest
from ports import free_port
from processes import wait_until

from cronguard.model.record import decode, encode

DOCUMENT = Path(__file__).parents[2] / "docs" / "doctor.md"
IS_ROOT = os.geteuid() == 0
BOUND_BY_MODES = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
    if IS_ROOT
    else ()
)


def test_a_healthy_node_raises_no_false_alarm(machine):
    assert machine.ill() == {}
    assert machine.run("--name", "job", "--", "true").returncode == 0
    assert machine.ill() == {}


def test_healthy_nodes_with_one_store_raise_no_false_alarm(machine, other):
    for tick in ("2026-01-01T00:00Z", "2026-01-01T00:01Z", "2026-01-01T00:02Z"):
        for command in ("true", "echo"):
            for node in (machine, other):
                node.run("--", command, "the same", tick=tick)
    assert [node.ill() for node in (machine, other, machine)] == [{}, {}, {}]


def unknown_key(machine):
    machine.write_config(tll=60)
    return {"config": "problem"}


def open_configuration(machine):
    machine.file.chmod(0o666)
    return {"config-writers": "problem"}


def open_folder_of_the_configuration(machine):
    machine.folder.chmod(0o777)
    return {"config-writers": "problem"}


def readable_password(machine):
    (machine.folder / "password").write_text("secret\n")
    (machine.folder / "password").chmod(0o644)
    machine.write_config(backend=f"redis://10.0.0.1/?password_file={machine.folder}/password")
    return {"password": "problem"}


def no_backend(machine):
    machine.write_config(backend=None)
    return {"backend-choice": "warning"}


def dead_port(machine):
    machine.write_config(backend=f"etcd://127.0.0.1:{free_port()}/cronguard", backend_timeout=2)
    return {"backend": "problem"}


def share_not_mounted(machine):
    machine.ill()
    shutil.rmtree(machine.share)
    return {"backend": "problem"}


def share_emptied(machine):
    machine.ill()
    shutil.rmtree(machine.share / "v1")
    return {"backend": "problem"}


def share_that_cannot_be_written(machine):
    machine.share.chmod(0o555)
    return {"backend": "problem"}


def share_of_another_kind(machine):
    (machine.share / "file-v1").mkdir()
    return {"backend": "problem"}


def folders_closed_to_the_group(machine):
    machine.share.chmod(0o700)
    machine.ill()
    machine.share.chmod(0o2770)
    return {"backend-access": "problem"}


def share_open_to_all(machine):
    machine.share.chmod(0o777)
    return {"backend-access": "warning"}


def soft_mount(machine):
    mounts = machine.folder / "mounts"
    mounts.write_text(mounts.read_text().replace(",hard,", ",soft,"))
    return {"mount": "warning"}


def short_ttl_for_the_locks_of_nfs(machine):
    machine.write_config(backend=f"file:{machine.share}", ttl=60)
    return {"ttl": "warning"}


def share_in_memory(machine):
    mounts = machine.folder / "mounts"
    mounts.write_text(mounts.read_text().replace("nfs4 10.0.0.1:/", "tmpfs none"))
    return {"mount": "warning"}


def state_on_a_server(machine):
    mounts = machine.folder / "mounts"
    line = f"41 27 0:46 / {machine.folder} rw - nfs4 10.0.0.1:/home rw,vers=4.2,hard\n"
    mounts.write_text(mounts.read_text().replace("40 27", "40 41") + line)
    return {"state-mount": "warning"}


def state_open_to_all(machine):
    machine.state.mkdir()
    machine.state.chmod(0o777)
    return {"state-folder": "problem"}


def state_of_another_user(machine):
    machine.state.mkdir()
    os.chown(machine.state, 65534, 65534)
    return {"state-folder": "problem"}


def state_in_the_way(machine):
    machine.state.write_text("a file")
    return {"state-folder": "problem"}


def clock_two_hours_ahead(machine):
    machine.facts["ahead"] = 7200.0
    return {"clock": "problem"}


def clock_two_minutes_behind(machine):
    machine.facts["ahead"] = -120.0
    return {"clock": "warning"}


def no_cron(machine):
    machine.processes("systemd", "sshd")
    return {"cron": "problem"}


def no_cron_but_systemd(machine):
    machine.processes("systemd", "sshd")
    machine.facts["places"]["systemd"] = str(machine.folder)
    return {"cron": "warning"}


def no_syslog(machine):
    machine.syslog.close()
    return {"syslog": "warning"}


def program_that_others_can_replace(machine):
    machine.program.chmod(0o777)
    return {"program": "problem"}


def program_closed_to_others(machine):
    machine.program.parent.chmod(0o700)
    return {"program": "warning"}


def no_program(machine):
    machine.program.unlink()
    return {"program": "warning"}


def name_of_every_machine(machine):
    machine.write_config(node="localhost")
    return {"node": "problem"}


def name_that_the_cluster_does_not_know(machine):
    machine.write_config(node="web9", nodes=["web1", "web2"])
    return {"node": "problem"}


def standby_without_a_heartbeat(machine):
    machine.write_config(strategy="standby", nodes=["web1", "web2"])
    return {"heartbeat": "problem"}


def heartbeat_that_stopped(machine):
    machine.write_config(strategy="standby", nodes=["web1", "web2"])
    machine.facts["ahead"] = -600.0
    assert machine.call("heartbeat", "--config", machine.file).returncode == 0
    del machine.facts["ahead"]
    _edit(machine, "node/cluster/web1", '"at":', '"at":0.0,"was":')
    return {"heartbeat": "problem"}


def invalid_record(machine):
    folder = machine.share / "v1" / "lease" / "shop" / "job" / f"{1:020}"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("<html></html>")
    return {"records": "problem"}


def invalid_queue(machine):
    folder = machine.share / "v1" / "queue" / "shop" / "job" / f"{1:020}"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("[]")
    return {"records": "problem"}


def dead_holder(machine):
    """A run whose guard and keeper were killed at once, a quarter of an hour ago."""
    fixed = ("run", "--config", machine.file, "--log", "none", "--name", "dead", "--")
    run = subprocess.Popen(
        machine.command(*fixed, "sleep", 60, wrapped_by=("setsid",)),
        env=machine.env(),
        stdin=subprocess.DEVNULL,
    )
    version = machine.share / "v1" / "lease" / "default" / "dead" / f"{1:020}"
    wait_until((version / "record.json").exists, "the claim")
    for child in wait_until(lambda: _children(run.pid), "keeper and job"):
        os.kill(child, signal.SIGKILL)
    run.kill()
    run.wait()
    os.utime(max(version.parent.iterdir()), (0, time.time() - 900))
    return {"overdue": "warning"}


def lost_lease(machine):
    assert machine.run("--name", "job", "--", "true").returncode == 0
    path = machine.share / "v1" / "lease" / "default" / "job"
    newest = max(path.iterdir()) / "record.json"
    record = decode(newest.read_bytes(), "job")
    newest.write_bytes(encode(record.settled("lost", 76, time.time(), None)))
    return {"lost": "warning"}


def arguments_that_differ_between_nodes(machine, other):
    for tick in ("2026-01-01T00:00Z", "2026-01-01T00:01Z"):
        for node, name in ((machine, "web1"), (other, "web2")):
            assert node.run("--", "true", name, tick=tick).returncode == 0
    return {"names": "problem"}


def other_version(machine, other):
    other.facts["version"] = "9.9"
    other.ill()
    return {"versions": "warning"}


ALONE = [
    unknown_key, open_configuration, open_folder_of_the_configuration, readable_password, no_backend, dead_port,
    share_not_mounted, share_emptied, share_of_another_kind, folders_closed_to_the_group, share_open_to_all,
    soft_mount, short_ttl_for_the_locks_of_nfs, share_in_memory, state_on_a_server, state_open_to_all, state_in_the_way, clock_two_hours_ahead,
    clock_two_minutes_behind, no_cron, no_cron_but_systemd, no_syslog, program_that_others_can_replace, no_program,
    name_of_every_machine, name_that_the_cluster_does_not_know, standby_without_a_heartbeat, heartbeat_that_stopped,
    invalid_record, invalid_queue, dead_holder, lost_lease,
]  # fmt: skip


@pytest.mark.parametrize("spoil", ALONE, ids=lambda fault: fault.__name__)
def test_a_fault_is_found_and_nothing_else(machine, spoil):
    expected = spoil(machine)
    assert machine.ill() == expected


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
@pytest.mark.parametrize("spoil", [state_of_another_user, program_closed_to_others])
def test_a_fault_that_only_root_can_make_is_found_and_nothing_else(machine, spoil):
    expected = spoil(machine)
    assert machine.ill() == expected


@pytest.mark.parametrize("spoil", [arguments_that_differ_between_nodes, other_version])
def test_a_fault_between_nodes_is_found_and_nothing_else(machine, other, spoil):
    expected = spoil(machine, other)
    assert machine.ill() == expected


def test_a_share_that_this_user_cannot_write_is_found(machine):
    expected = share_that_cannot_be_written(machine)
    assert machine.ill(wrapped_by=BOUND_BY_MODES) == expected


HOLDER = """
import sys
from cronguard.system.clock import Clock
from cronguard.store.gate import Gate
from cronguard.system.statedir import StateDir
class LongAgo(Clock):
    def boot(self):
        return max(0.0, super().boot() - 100)
Gate(StateDir(sys.argv[1], "web1"), sys.argv[2], 30, LongAgo()).enter()
print("entered", flush=True)
sys.stdin.read()
"""


def test_an_earlier_run_that_hangs_at_the_storage_is_found(machine):
    command = [sys.executable, "-c", HOLDER, str(machine.state), machine.config["backend"]]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=machine.env(), text=True, **pipes) as holder:
        assert holder.stdout.readline() == "entered\n"
        status, found = machine.doctor()
        holder.stdin.close()
    assert status == 1 and str(holder.pid) in found["earlier-runs"]["what"]
    assert {name for name, row in found.items() if row["do"] and row["state"] == "problem"} == {
        "earlier-runs"
    }
    assert machine.ill() == {}


def private(*script):
    """Return the words that run a command in its own mount namespace, after the script."""
    if not IS_ROOT or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("cannot create a mount namespace here")
    return ("unshare", "--mount", "sh", "-ec", " && ".join([*script, 'exec "$@"']), "sh")


@pytest.mark.parametrize("name", ["state", "share"])
def test_a_disk_that_is_nearly_full_is_found(machine, name):
    folder = machine.folder / name
    folder.mkdir(exist_ok=True)
    small = private(f"mount -t tmpfs -o size=1m,mode=755 none {folder}")
    finding = {"state": "state-room", "share": "backend-room"}[name]
    assert machine.ill(wrapped_by=small) == {finding: "problem"}


@pytest.mark.parametrize("scheme", ["dir", "file"])
def test_a_share_that_is_read_only_is_found_and_nothing_else(machine, scheme):
    machine.write_config(backend=f"{scheme}:{machine.share}")
    machine.ill()
    read_only = private(
        f"mount --bind {machine.share} {machine.share}", f"mount -o remount,bind,ro {machine.share}"
    )
    assert machine.ill(wrapped_by=read_only) == {"backend": "problem"}


def test_a_disk_without_room_for_files_is_found(machine):
    small = private(f"mount -t tmpfs -o size=100m,nr_inodes=500,mode=755 none {machine.share}")
    assert machine.ill(wrapped_by=small) == {"backend-room": "problem"}


@pytest.mark.parametrize("trace", ["doctor", "heartbeat", "run"])
def test_another_machine_with_this_name_is_found_whatever_it_ran(machine, ground, trace):
    """The other machine has another machine-id and, because a run records only its boot, another boot ID."""
    (ground / "id").write_text("0123456789abcdef0123456789abcdef\n")
    (ground / "boot").write_text("01234567-89ab-cdef-0123-456789abcdef\n")
    elsewhere = private(
        f"mount --bind {ground}/id /etc/machine-id",
        f"mount --bind {ground}/boot /proc/sys/kernel/random/boot_id",
    )
    argv = {"run": ["run", "--log", "none", "--name", "job"]}.get(trace, [trace])
    done = machine.call(
        *argv, "--config", machine.file, *(["--", "true"] if trace == "run" else []), wrapped_by=elsewhere
    )
    assert done.stderr == ""
    expected = {"same-name": "problem"}
    assert machine.ill() == expected
    assert machine.ill() == expected  # it does not go away when doctor runs again


def test_containers_of_one_machine_that_share_a_name_are_found(machine):
    if not IS_ROOT or subprocess.run(["unshare", "--pid", "--fork", "true"], check=False).returncode:
        pytest.skip("cannot create a PID namespace here")
    inside = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    machine.run("--name", "job", "--", "true", wrapped_by=inside)
    assert machine.ill() == {"same-name": "problem"}
    assert machine.ill(wrapped_by=inside) == {}  # it was started later, so the other may be its predecessor


def test_a_cron_is_looked_up_in_the_real_process_table(machine, ground):
    if not shutil.which("cron", path="/usr/sbin"):
        pytest.skip("Debian's cron is not installed")
    machine.facts["places"]["processes"] = "/proc"
    alone = (
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        *private("mount -t tmpfs none /run"),
    )
    assert machine.ill(wrapped_by=alone) == {"cron": "problem"}
    with_cron = list(alone)
    with_cron[-2] = with_cron[-2].replace("exec", "mount -t tmpfs none /etc/cron.d && /usr/sbin/cron && exec")
    assert machine.ill(wrapped_by=with_cron) == {}


def test_the_name_of_a_program_may_contain_any_bytes(machine):
    (machine.folder / "proc" / "7" / "comm").write_bytes(b"\xff\xfe\n")
    assert machine.ill() == {}


def test_a_missing_cron_is_not_reported_if_processes_are_hidden(machine):
    machine.processes("systemd", "sh")
    assert machine.ill() == {"cron": "problem"}
    shutil.rmtree(machine.folder / "proc" / "1")
    assert machine.ill() == {}


def test_a_damaged_entry_of_pauses_is_found_because_it_stops_all_runs(machine):
    machine.run("--ns", "billing", "--name", "job", "--", "true")
    machine.call("pause", "--config", machine.file, "--ns", "billing")
    _edit(machine, "pause/cluster/billing", '"jobs"', '"sboj"')
    assert machine.ill() == {"records": "problem"}


@pytest.fixture
def fuse(machine):
    if reason := fusefs.reason_not_to_mount():
        pytest.skip(reason)
    with fusefs.Mount(machine.share, machine.folder / "fuse", machine.folder / "faults") as mount:
        yield mount


def test_lock_files_on_a_file_system_without_shared_locks_are_refused(machine, fuse):
    machine.write_config(backend=f"file:{fuse.path}")
    assert machine.ill() == {"backend": "problem"}


def test_a_store_that_hangs_is_found_within_the_time_limit_beside_other_faults(machine, fuse):
    machine.write_config(backend=f"dir:{fuse.path}", backend_timeout=2)
    machine.processes("sshd")
    fuse.faults.set(fusefs.Fault("mkdir", "hang"))
    assert machine.ill() == {"backend": "problem", "cron": "problem"}
    fuse.faults.clear()


def test_a_systemd_timer_can_replace_cron(machine):
    no_cron_but_systemd(machine)
    (machine.folder / "job.service").write_text("[Service]\nExecStart=cronguard run --name job -- job\n")
    machine.facts["places"]["units"] = [str(machine.folder)]
    assert machine.ill() == {}


def test_there_are_at_least_fifteen_faults():
    assert len(ALONE) >= 15


def _edit(machine, key, old, new):
    path = max((machine.share / "v1" / key).iterdir()) / "record.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _children(pid):
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found] if len(found) >= 2 else []


def test_all_checks_are_listed_in_the_document(machine):
    listed = set(
        re.findall(r"`([\w-]+)`", "".join(re.findall(r"^\| (`.*?) \|", DOCUMENT.read_text(), re.MULTILINE)))
    )
    _, dir_ = machine.doctor("--init", "--verify", "1s", CRONGUARD_WAIT="1")
    machine.write_config(backend=f"file:{machine.folder / 'locks'}")
    _, file = machine.doctor("--init", "--verify", "1s")
    only_when_bad = {"password", "backend-choice"}
    assert {*dir_, *file} | only_when_bad == listed
