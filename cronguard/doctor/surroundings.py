"""Checks of what a guarded crontab line needs on its node: a name, a running cron, a syslog, a cronguard in PATH."""

import os
import shutil
import socket
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress

from cronguard.config.settings import Settings
from cronguard.doctor.configuration import judge_writers, look
from cronguard.doctor.finding import Finding, note, ok, problem, warning
from cronguard.doctor.places import Places
from cronguard.system.linux import is_clock_kept

_CRONS = frozenset({"cron", "crond", "fcron", "dcron", "bcron-sched", "supercronic", "systemd-cron"})


def judge_name(node: str, nodes: tuple[str, ...]) -> Finding:
    """Report a name that other machines may have too, or that is not in the configuration."""
    if node.partition(".")[0] == "localhost":
        hint = 'give it a host name, or set node = "NAME" in the configuration'
        return problem("node", f"this node is called {node}, and other nodes may be as well", hint)
    named = [name for name in nodes if not name.isdecimal()]
    if named and node not in named:
        told = f"this node, {node}, is not among the nodes in the configuration: {', '.join(named)}"
        return problem("node", told, 'add it there, or set node = "NAME"')
    return ok("node", node)


def judge_cron(programs: Iterable[str] | None, timers: Iterable[str], has_systemd: bool) -> Finding:
    """Report that nothing starts jobs. `programs` are the running programs, `timers` are units that call cronguard."""
    if programs is None:
        told = (
            "the processes of other users are hidden (/proc is mounted with hidepid), so cron may be running"
        )
        return note("cron", told, "run doctor as root, too")
    if crons := sorted(_CRONS & set(programs)):
        return ok("cron", f"{', '.join(crons)} is running")
    if timers := sorted(timers):
        return ok("cron", f"no cron is running, but systemd units mention cronguard: {', '.join(timers)}")
    if has_systemd:
        told = "no cron is running, and no systemd unit mentions cronguard"
        return warning(
            "cron", told, "start it: systemctl enable --now cron (crond on Red Hat); or write a timer"
        )
    return problem("cron", "no cron is running: no job will be started", "start it: service cron start")


def running(places: Places) -> list[str] | None:
    """Return the names of all running programs; None if those of other users are hidden, as PID 1 then is too."""
    names = {}
    for number in os.listdir(places.processes):
        if number.isdecimal():
            with suppress(OSError), open(f"{places.processes}/{number}/comm", "rb") as file:
                names[number] = os.fsdecode(file.read()).rstrip("\n")  # a name may have any bytes
    return list(names.values()) if "1" in names else None


def timers(places: Places) -> list[str]:
    """Return the systemd units that mention cronguard, except the heartbeat's."""
    found = set()
    for folder in places.units:
        with suppress(OSError):
            for name in os.listdir(folder):
                if name.endswith(".service") and not name.startswith("cronguard-heartbeat"):
                    with suppress(OSError), open(f"{folder}/{name}", "rb") as file:
                        found |= {name} if b"cronguard" in file.read(65536) else set()
    return sorted(found)


def judge_time(is_kept: bool) -> Finding:
    """Note a clock that is not synchronised: no warning, since it takes a while to be minutes off."""
    if is_kept:
        return ok("clock-sync", "this node's clock is synchronised")
    return note("clock-sync", "this node's clock is not synchronised", "install chrony or systemd-timesyncd")


def judge_syslog(log: str, path: str) -> Finding:
    """Report that log messages go nowhere."""
    if log != "syslog":
        return ok("syslog", f"not used: log is {log}")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(path)
    except OSError as error:
        hint = 'start rsyslog or systemd-journald; or set log = "stderr", which cron mails, or "none"'
        return warning("syslog", f"{path}: {error.strerror}: the outcomes of runs are not logged", hint)
    return ok("syslog", f"{path} accepts log messages")


def judge_program(found: str | None, found_by_cron: str | None, me: int) -> Finding:
    """Report that cron or other users' jobs cannot execute cronguard, or that other users could replace it."""
    if found is None:
        hint = "install it in /usr/local/bin, or link it there, and use that path in crontab lines"
        return warning("program", "there is no cronguard in PATH", hint)
    real = os.path.realpath(found)
    kept = [kept._replace(owner=me)] if (kept := look(real)) else []  # any user may have installed it
    writers = judge_writers(kept, me, "program")[0]
    if writers.do:
        return writers
    if me == 0 and (closed := _closed_to_others(real)):
        told = f"users other than root cannot execute {found}: {closed}"
        return warning("program", told, "to guard jobs of other users, install it where they can reach it")
    if found_by_cron is None:
        told = f"{found} is not in the PATH that cron uses (/usr/bin:/bin)"
        return note(
            "program", told, f"use the full path in the crontab, as crontab wrap does: {found} run ..."
        )
    return ok("program", found_by_cron)


def _closed_to_others(path: str) -> str | None:
    """Return which file or directory keeps other users out, with its mode; None if none does."""
    parts = [path]
    while parts[-1] != "/":
        parts.append(os.path.dirname(parts[-1]))
    for part in reversed(parts):
        with suppress(OSError):
            mode = stat.S_IMODE(os.stat(part).st_mode)
            if not mode & stat.S_IXOTH:
                return f"{part} has mode {mode:04o}"
    return None


def judge_surroundings(settings: Settings, places: Places) -> list[Finding]:
    """Run all checks of this file."""
    return [
        judge_name(settings.node, settings.nodes),
        judge_cron(running(places), timers(places), os.path.isdir(places.systemd)),
        judge_syslog(settings.log, places.syslog),
        judge_time(is_clock_kept()),
        judge_program(
            shutil.which("cronguard") or _called(),
            shutil.which("cronguard", path=places.cron_path),
            os.geteuid(),
        ),
    ]


def _called() -> str | None:
    """Return the path of this program if it was called by its path, as crontab lines may do."""
    path = os.path.abspath(sys.argv[0])
    return path if os.path.basename(path) == "cronguard" and os.access(path, os.X_OK) else None
