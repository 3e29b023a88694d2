"""Probes: check in parallel child processes whether a service, a process, an address or another node is there."""

import json
import os
import select
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from cronguard.heartbeat.probe_handlers import HANDLERS, Answer, echo_socket, host_and_port
from cronguard.system.errors import ConfigError, UsageError
from cronguard.system.signals import fork, reap

CHECKS = ("command", "systemd", "pidfile", "process", "address")
PROBES = ("ping", "tcp", "command")
_LONGEST_ANSWER = 4096
# As in resolv.conf(5). A name server that does not answer says nothing about the node, and must be noticed before the
# probe's limit is over. By default a single try takes 5 s, which is the whole limit.
_RESOLVER = "timeout:1 attempts:1"
_CANNOT_SAY = (1, 127)  # statuses of systemctl: systemd cannot be reached, systemctl is not installed
_PING_HINT = (
    "allow it with sysctl net.ipv4.ping_group_range='0 2147483647', run the heartbeat as root, or probe a port "
    "instead: tcp:HOST:PORT"
)


class Probe(NamedTuple):
    """A configured probe: `scheme:rest`, and its name. Make it with `Probe.parse`, which checks it."""

    name: str
    scheme: str
    rest: str

    @classmethod
    def parse(cls, name: str, text: str, schemes: tuple[str, ...]) -> "Probe":
        """Return the probe; raises UsageError for an unknown scheme, or a scheme with nothing after it."""
        scheme, colon, rest = text.partition(":")
        if scheme not in schemes:
            raise UsageError(
                f"{name}: {text!r} is not a probe", f"write {', '.join(f'{s}:...' for s in schemes)}"
            )
        if not colon or not rest.strip():
            raise UsageError(
                f"{name}: {text!r} does not say what to check", f"see {scheme} in cronguard.toml(5)"
            )
        if scheme == "tcp":
            host_and_port(name, rest)
        return cls(name, scheme, rest.strip())


def run_probes(probes: Mapping[str, Probe], limit: float) -> dict[str, Answer]:
    """Run all probes in parallel, each in its own process group, which is killed after `limit` seconds."""
    running: dict[str, _Child] = {}
    try:
        for key, probe in probes.items():
            running[key] = _Child(probe)
        _wait_for_all(list(running.values()), limit)
    finally:  # also if this process is stopped
        answers = {key: child.answer(limit) for key, child in running.items()}
    return answers


def _wait_for_all(running: list["_Child"], limit: float) -> None:
    give_up_at = time.monotonic() + limit
    poll = select.poll()
    for child in running:
        poll.register(child.exit, select.POLLIN)
    left = len(running)
    while left and (ahead := give_up_at - time.monotonic()) > 0:
        for fd, _ in poll.poll(ahead * 1000 + 1):
            poll.unregister(fd)
            left -= 1


def check_ping(probes: Mapping[str, Probe]) -> None:
    """Raise ConfigError if a probe pings and this user may not: its failure would say nothing about the node."""
    for probe in probes.values():
        if probe.scheme == "ping":
            try:
                echo_socket(socket.AF_INET)[0].close()
            except PermissionError as error:
                raise ConfigError(f"probe {probe.name}: this user may not ping", _PING_HINT) from error


class _Child:
    """A process that runs one probe. Its answer comes through a pipe, or is its exit status."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._reader, writer = os.pipe()
        self._pid = fork(lambda: _ask(probe, writer))
        os.close(writer)
        self.exit = os.pidfd_open(self._pid)

    def answer(self, limit: float) -> Answer:
        """Return the answer of a process that has ended; kill one that has not. Either way, kill its group."""
        poll = select.poll()  # not select.select: hundreds of probes exceed its limit of 1024 descriptors
        poll.register(self.exit, select.POLLIN)
        is_late = not poll.poll(0)
        os.kill(self._pid, signal.SIGKILL)  # it may not have started its group yet
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)
        answer = Answer(False, f"no answer within {limit:g}s") if is_late else self._told()
        reap(self._pid)
        os.close(self._reader)
        os.close(self.exit)
        return answer

    def _told(self) -> Answer:
        told = os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        status = told.si_status if told else 70
        if self._probe.scheme == "command":
            return _of_status(status)
        os.set_blocking(self._reader, False)
        try:
            return Answer(*json.loads(os.read(self._reader, _LONGEST_ANSWER)))
        except (ValueError, TypeError, OSError):
            return Answer(None, f"the probe itself failed, with status {status}")


def _of_status(status: int) -> Answer:
    if status in (126, 127):
        return Answer(None, "the command cannot be executed, or is not found")
    return Answer(status == 0, "" if status == 0 else f"exit status {status}")


def _ask(probe: Probe, writer: int) -> None:
    os.setsid()
    if probe.scheme == "command":
        _become(["/bin/sh", "-c", probe.rest])
    if probe.scheme == "systemd":
        _become_systemctl(probe.rest, writer)
        return
    os.environ["RES_OPTIONS"] = _RESOLVER
    try:
        answer = HANDLERS[probe.scheme](probe.rest)
    except OSError as error:
        answer = Answer(False, error.strerror or str(error))
    os.write(writer, json.dumps(answer).encode()[:_LONGEST_ANSWER])


def _become(argv: list[str]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    with suppress(OSError):
        os.execvp(argv[0], argv)
    os._exit(127)


def _become_systemctl(unit: str, writer: int) -> None:
    """Ask systemctl in a child of this process: the answer must distinguish "not active" from "cannot say"."""
    pid = os.fork()
    if not pid:
        _become(["systemctl", "is-active", "--quiet", "--", unit])
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status in _CANNOT_SAY:
        answer = Answer(None, f"systemctl cannot say whether {unit} is active")
    else:
        answer = Answer(status == 0, "" if status == 0 else f"{unit} is not active")
    os.write(writer, json.dumps(answer).encode())
