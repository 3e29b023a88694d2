"""What a guarded line needs of its node: a name, a cron that starts it, a syslog, and a cronguard that cron finds."""

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
    """Find a name that other machines have too, or that the cluster does not know."""
    if node.partition(".")[0] == "localhost":
        hint = 'give it a host name, or set node = "NAME" in the configuration'
        return problem("node", f"this node is called {node}, as others may be", hint)
    named = [name for name in nodes if not name.isdecimal()]
    if named and node not in named:
        told = f"this node, {node}, is not among the nodes of the configuration: {', '.join(named)}"
        return problem("node", told, 'add it there, or set node = "NAME"')
    return ok("node", node)


def judge_cron(programs: Iterable[str] | None, timers: Iterable[str], has_systemd: bool) -> Finding:
    """Find that nothing will start a line. `programs` are the names of what runs, `timers` units that call us."""
    if programs is None:
        told = "what other users run is hidden here (/proc is mounted hidepid), and so may be a cron"
        return note("cron", told, "look as root, too")
    if crons := sorted(_CRONS & set(programs)):
        return ok("cron", f"{', '.join(crons)} is running")
    if timers := sorted(timers):
        return ok("cron", f"no cron is running, but systemd has {', '.join(timers)}")
    if has_systemd:
        told = "no cron is running, and no unit of systemd mentions cronguard"
        return warning("cron", told, "systemctl enable --now cron (crond on Red Hat), or write a timer")
    return problem("cron", "no cron is running: no line will be started", "start it: service cron start")


def running(places: Places) -> list[str] | None:
    """Return the names of all programs that run; None if those of others are hidden, as the first one then is."""
    names = {}
    for number in os.listdir(places.processes):
        if number.isdecimal():
            with suppress(OSError), open(f"{places.processes}/{number}/comm", "rb") as file:
                names[number] = os.fsdecode(file.read()).rstrip("\n")  # any bytes that its program likes
    return list(names.values()) if "1" in names else None


def timers(places: Places) -> list[str]:
    """Return the units of systemd that mention us, but for the heartbeat's."""
    found = set()
    for folder in places.units:
        with suppress(OSError):
            for name in os.listdir(folder):
                if name.endswith(".service") and not name.startswith("cronguard-heartbeat"):
                    with suppress(OSError), open(f"{folder}/{name}", "rb") as file:
                        found |= {name} if b"cronguard" in file.read(65536) else set()
    return sorted(found)


def judge_time(is_kept: bool) -> Finding:
    """Note a clock that runs by itself: it is minutes that matter, and those take a while."""
    if is_kept:
        return ok("clock-sync", "something keeps this node's clock right")
    return note("clock-sync", "nothing keeps this node's clock right", "install chrony or systemd-timesyncd")


def judge_syslog(log: str, path: str) -> Finding:
    """Find that what is logged goes nowhere."""
    if log != "syslog":
        return ok("syslog", f"not asked for: log is {log}")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(path)
    except OSError as error:
        hint = 'start rsyslog or systemd-journald; or set log = "stderr", which cron mails, or "none"'
        return warning("syslog", f"{path}: {error.strerror}: what becomes of runs is not logged", hint)
    return ok("syslog", f"{path} takes what is logged")


def judge_program(found: str | None, found_by_cron: str | None, me: int) -> Finding:
    """Find that cron, or the jobs of other users, cannot execute us, or that others could replace us."""
    if found is None:
        hint = "install it into /usr/local/bin, or link it there, and give lines that path"
        return warning("program", "there is no cronguard in PATH", hint)
    real = os.path.realpath(found)
    kept = [kept._replace(owner=me)] if (kept := look(real)) else []  # who installed it is his own affair
    writers = judge_writers(kept, me, "program")[0]
    if writers.do:
        return writers
    if me == 0 and (closed := _closed_to_others(real)):
        told = f"{found}: users other than root cannot execute it: {closed}"
        return warning(
            "program", told, "install it where all users reach it, if their lines are to be guarded"
        )
    if found_by_cron is None:
        told = f"{found} is not where cron looks (PATH=/usr/bin:/bin)"
        return note("program", told, f"give lines the whole path, as crontab wrap does: {found} run ...")
    return ok("program", found_by_cron)


def _closed_to_others(path: str) -> str | None:
    """Return the file or folder that is in the way of other users."""
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
    """Look at all of it."""
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
    """Return the program that was called by its path, as lines may do, too."""
    path = os.path.abspath(sys.argv[0])
    return path if os.path.basename(path) == "cronguard" and os.access(path, os.X_OK) else None
