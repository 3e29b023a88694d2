"""Probes against real processes, real sockets, real files."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from processes import mentioning, wait_until

from cronguard.heartbeat.probes import CHECKS, PROBES, Probe, check_ping, run_probes
from cronguard.system.errors import ConfigError


def ask(text, limit=20.0):
    probe = Probe.parse("p", text, (*PROBES, *CHECKS))
    return run_probes({"p": probe}, limit)["p"]


@contextmanager
def listener(greeting=b""):
    """A port that takes one connection, and greets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(0.1)


@pytest.fixture
def sleeper(tmp_path):
    """A process that sleeps until the test is over."""
    process = subprocess.Popen(["sleep", "1000"], cwd=tmp_path)
    yield process
    process.kill()
    process.wait()


def test_a_port_is_there_if_it_accepts_a_connection():
    with listener() as port:
        assert ask(f"tcp:127.0.0.1:{port}").is_good is True
    answer = ask(f"tcp:127.0.0.1:{port}")
    assert (answer.is_good, answer.detail) == (False, "Connection refused")


def test_a_port_is_there_if_any_address_of_its_host_accepts_a_connection(monkeypatch):
    with listener() as port:
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
        assert ask(f"tcp:web2:{port}").is_good is True


def test_a_port_must_answer_as_expected_if_something_is_expected():
    with listener(b"220 mail ready\r\n") as port:
        assert ask(f"tcp:127.0.0.1:{port} 220").is_good is True
    with listener(b"554 no\r\n") as port:
        answer = ask(f"tcp:127.0.0.1:{port} 220")
        assert answer.is_good is False and "554 no" in answer.detail
    with listener() as port:
        assert ask(f"tcp:127.0.0.1:{port} 220").is_good is False


def test_a_host_without_an_address_says_nothing_about_the_node():
    answer = ask("tcp:nowhere.invalid:22")
    assert answer.is_good is None and answer.detail.startswith("nowhere.invalid: ")


SILENT = """
set -e
echo 'nameserver 127.0.53.53' > "$1"
mount --bind "$1" /etc/resolv.conf
exec "$2" -c '
from cronguard.heartbeat.probes import PROBES, Probe, run_probes
asked = {text: Probe.parse("p", text, PROBES) for text in ("tcp:web2.example.org:80", "ping:web2.example.org")}
print({text: answer.is_good for text, answer in run_probes(asked, 5.0).items()})
'
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for its own name server")
def test_a_name_server_that_does_not_answer_says_nothing_about_the_node(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.53.53", 53))
        argv = ["unshare", "--mount", "sh", "-c", SILENT, "sh", str(tmp_path / "resolv.conf"), sys.executable]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "{'tcp:web2.example.org:80': None, 'ping:web2.example.org': None}\n"


def test_an_address_is_owned_or_not():
    assert ask("address:127.0.0.1").is_good is True
    assert ask("address:192.0.2.1").is_good is False
    assert ask("address:here").is_good is None


# In its own network namespace, where the kernel allows binding to any address, as with keepalived.
BOUND = """
echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind && echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind &&
ip link set lo up && ip address add 10.9.8.7/24 dev lo && ip address add 10.9.8.8/24 dev lo && exec "$0" -c '
from cronguard.heartbeat.probes import Probe, run_probes
for text in ("10.9.8.7", "10.9.8.8", "10.9.8.9", "::1", "2001:db8::1"):
    print(run_probes({"p": Probe.parse("p", f"address:{text}", ("address",))}, 20.0)["p"].is_good)
'
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for its own network namespace")
def test_an_address_that_can_be_bound_is_not_necessarily_owned():
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", BOUND, sys.executable],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if "File system" in done.stderr or "unshare" in done.stderr:
        pytest.skip("cannot create a network namespace here")
    assert done.stdout.split() == ["True", "True", "False", "True", "False"], done.stderr


def test_a_pid_file_names_a_living_process_or_not(tmp_path, sleeper):
    path = tmp_path / "pid"
    assert ask(f"pidfile:{path}").is_good is False
    path.write_text(f"{sleeper.pid}\n")
    assert ask(f"pidfile:{path}").is_good is True
    sleeper.kill()
    wait_until(
        lambda: ask(f"pidfile:{path}").is_good is False, "the end of the process"
    )  # a zombie, not reaped
    path.write_text("none\n")
    assert "no process ID" in ask(f"pidfile:{path}").detail


def test_a_process_is_found_by_its_name(tmp_path):
    program = tmp_path / "billingd"
    program.symlink_to("/bin/sleep")
    assert ask("process:billingd").is_good is False
    with subprocess.Popen([program, "1000"]) as process:
        wait_until(lambda: ask("process:billingd").is_good, "the process")
        process.kill()


def test_a_command_answers_with_its_exit_status():
    assert ask("command:exit 0").is_good is True
    answer = ask("command:echo noise; echo more >&2; exit 3")
    assert (answer.is_good, answer.detail) == (False, "exit status 3")
    assert ask("command:/no/such/program").is_good is None


def test_a_commands_whole_group_is_killed_at_its_limit(tmp_path):
    mark = tmp_path / "group"
    mark.write_text("#!/bin/sh\nsleep 1000 & sleep 1000\n")
    answer = ask(f"command:sh {mark} & sh {mark}", limit=1.0)
    assert (answer.is_good, answer.detail) == (False, "no answer within 1s")
    wait_until(lambda: not mentioning(str(tmp_path)), "the end of the group")


def test_a_probe_that_was_killed_leaves_no_zombie():
    def zombies():
        rows = subprocess.run(
            ["ps", "-o", "stat=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
        )
        return rows.stdout.count("Z")

    before = zombies()
    for _ in range(3):
        ask("command:sleep 1000", limit=1.0)
    wait_until(lambda: ask("command:true").is_good and zombies() <= before, "the end of the zombies")


def test_processes_that_a_command_leaves_in_its_group_are_killed(tmp_path):
    answer = ask(f"command:sh -c 'echo {tmp_path}; sleep 1000' & exit 0")
    assert answer.is_good is True
    wait_until(lambda: not mentioning(str(tmp_path)), "the end of its processes")


def test_probes_run_in_parallel(tmp_path):
    """Each waits for all the others: one after another, they would never end."""
    fifo = [
        f"command:touch {tmp_path}/{n}; until [ $(ls {tmp_path} | wc -l) = 5 ]; do sleep 0.05; done"
        for n in range(5)
    ]
    probes = {text: Probe.parse("p", text, PROBES) for text in fifo}
    assert all(answer.is_good for answer in run_probes(probes, 60.0).values())


def test_a_unit_is_active_or_inactive_or_unknown(tmp_path, monkeypatch):
    def systemctl(status):
        (tmp_path / "systemctl").write_text(
            f'#!/bin/sh\n[ "$*" = "is-active --quiet -- app.service" ] && exit {status}\nexit 9\n'
        )
        (tmp_path / "systemctl").chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    systemctl(0)
    assert ask("systemd:app.service").is_good is True
    systemctl(3)
    assert ask("systemd:app.service").is_good is False
    systemctl(1)
    assert ask("systemd:app.service").is_good is None  # no systemd to ask
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert ask("systemd:app.service").is_good is None


def may_ping():
    try:
        check_ping({"p": Probe.parse("p", "ping:127.0.0.1", PROBES)})
    except ConfigError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_host_answers_an_echo_request(host):
    if not may_ping():
        pytest.skip("this user may not ping")
    assert ask(f"ping:{host}").is_good is True


def test_a_host_that_does_not_answer_is_not_there():
    if not may_ping():
        pytest.skip("this user may not ping")
    assert ask("ping:240.0.0.1", limit=1.0).is_good is False  # an address that nobody can have


# As the user nobody, who may not ping and has no right to raw sockets.
UNPRIVILEGED = """
import os, sys
from cronguard.system.errors import ConfigError
from cronguard.heartbeat.probes import Probe, check_ping, run_probes
os.setgroups([]); os.setgid(65534); os.setuid(65534)
probe = Probe.parse("ip", "ping:127.0.0.1", ("ping",))
try:
    check_ping({"ip": probe})
except ConfigError as error:
    print(error, error.hint)
else:
    print("allowed", run_probes({"ip": probe}, 5.0)["ip"].is_good)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_a_user_who_may_not_ping_is_told_how_to_allow_it():
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED], capture_output=True, text=True, check=False, timeout=60
    )
    low, high = map(int, Path("/proc/sys/net/ipv4/ping_group_range").read_text().split())
    if low <= 65534 <= high:
        assert done.stdout == "allowed True\n"
    else:
        assert "probe ip: this user may not ping" in done.stdout and "ping_group_range" in done.stdout, (
            done.stderr
        )


def test_a_probe_that_is_stopped_leaves_no_process(tmp_path):
    script = (
        "import signal, sys\nfrom cronguard.heartbeat.probes import Probe, run_probes\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        f"run_probes({{'p': Probe.parse('p', 'command:touch {tmp_path}/up; sleep 1000', ('command',))}}, 600)"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        wait_until((tmp_path / "up").exists, "the probe")
        process.terminate()
    assert process.returncode == 0
    deadline = time.monotonic() + 20
    while mentioning(f"{tmp_path}/up"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
