"""Measure what cronguard costs before a command that does nothing, compared with alternatives.

    python bench/overhead.py [ROUNDS [CHECKOUT]]

With a CHECKOUT of another version of cronguard, its granted and skipped runs are measured beside this one's, both as
`python -m cronguard`: before and after a change, for example.

Each round measures every line once. The lines are compared by their minimum: wall and CPU time in milliseconds, and the
ratio of the wall time to that of `import click`.

If etcd is installed, `cronguard run` on etcd is compared with `etcdctl lock` on the same server, which cannot skip. A
hand-over is the time from the end of the command that holds the lock to the start of the command that waits for it.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, nullcontext

PYTHON = sys.executable
TESTS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests")
HAND_OVERS = 10


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder, _lock_host(folder) as host, ExitStack() as servers:
        contenders = _contenders(folder) | _over_ssh(folder, host) | _versions(sys.argv[2:3])
        waiting = _on_etcd(contenders, servers)
        best = {name: [float("inf")] * 2 for name in contenders}
        for number in range(rounds):
            for name, (argv, expected) in contenders.items():
                measured = _measure([word.replace("{n}", str(number)) for word in argv], expected)
                best[name] = [min(pair) for pair in zip(best[name], measured, strict=True)]
        _show(best)
        _show_hand_overs({name: _hand_overs(argv, folder) for name, argv in waiting.items()})


def _contenders(folder: str) -> dict[str, tuple[list[str], int]]:
    """Return the command lines to run, each with the exit status that it must have."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode beside it
    os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
    os.environ |= {
        "CRONGUARD_STATE_DIR": f"{folder}/state",
        "CRONGUARD_LOG": "none",
        "CRONGUARD_BACKEND": "local",
    }
    cronguard = [
        shutil.which("cronguard", path=os.path.dirname(PYTHON)) or sys.exit("cronguard is not installed"),
        "run",
    ]
    taken = [*cronguard, "--name", "taken", "--tick", "2026-01-01T00:00Z"]
    os.environ["CRONGUARD_NODE"] = "other"
    _measure([*taken, "--", "true"], 0)
    os.environ["CRONGUARD_NODE"] = "this"
    lines = {
        "python -c pass": ([PYTHON, "-c", "pass"], 0),
        "python -c 'import click'": ([PYTHON, "-c", "import click"], 0),
        "cronguard run, granted": ([*cronguard, "--name", "granted", "--every-run", "--", "true"], 0),
        "cronguard run, skipped": ([*taken, "--", "true"], 75),
    }
    if flock := shutil.which("flock"):
        lines["flock -n"] = ([flock, "-n", f"{folder}/lock", "true"], 0)
    return lines


def _versions(other: list[str]) -> dict[str, tuple[list[str], int]]:
    """Return the same lines for another checkout and for this one, started in the same way."""
    lines: dict[str, tuple[list[str], int]] = {}
    checkouts = {"other": os.path.abspath(other[0]), "this": os.path.dirname(TESTS)} if other else {}
    for name, path in checkouts.items():
        run = ["env", f"PYTHONPATH={path}", PYTHON, "-m", "cronguard", "run", "--name"]
        lines[f"{name} checkout, granted"] = ([*run, f"{name}-granted", "--every-run", "--", "true"], 0)
        lines[f"{name} checkout, skipped"] = (
            [*run, "taken", "--tick", "2026-01-01T00:00Z", "--", "true"],
            75,
        )
    return lines


def _lock_host(folder: str):
    """Return an SSH server on the loopback interface, if sshd is installed."""
    if not os.path.exists("/usr/sbin/sshd"):
        return nullcontext()
    sys.path.insert(0, TESTS)
    import sshd

    return sshd.Sshd(f"{folder}/lock-host")


def _over_ssh(folder: str, host) -> dict[str, tuple[list[str], int]]:
    """Return the same lines over SSH; each makes its own connection."""
    if host is None:
        return {}
    os.environ["HOME"] = str(host.home)  # OpenSSH's client does not use HOME, hence its options below
    os.mkdir(f"{folder}/share")
    cronguard = [shutil.which("cronguard", path=os.path.dirname(PYTHON)), "run"]
    cronguard += ["--backend", host.url(f"{folder}/share")]
    ssh = ["ssh", "-F", "none", "-i", str(host.key), "-o", f"UserKnownHostsFile={host.home}/.ssh/known_hosts"]
    ssh += ["-o", "BatchMode=yes", "-p", str(host.port), f"{host.user}@127.0.0.1"]
    taken = [*cronguard, "--name", "taken", "--tick", "2026-01-01T00:00Z", "--", "true"]
    os.environ["CRONGUARD_NODE"] = "other"
    _measure(taken, 0)
    os.environ["CRONGUARD_NODE"] = "this"
    return {
        "cronguard run, ssh: granted": ([*cronguard, "--name", "granted", "--every-run", "--", "true"], 0),
        "cronguard run, ssh: skipped": (taken, 75),
        "ssh HOST flock -n LOCK true": ([*ssh, "flock", "-n", f"{folder}/lock", "true"], 0),
    }


def _on_etcd(lines: dict[str, tuple[list[str], int]], servers: ExitStack) -> dict[str, list[str]]:
    """Add the lines that need etcd; return the commands that wait for a lock there."""
    etcdctl = shutil.which("etcdctl")
    if not etcdctl or not shutil.which("etcd"):
        return {}
    sys.path.insert(0, f"{TESTS}/engines")
    from etcd_servers import Etcd

    etcd = servers.enter_context(Etcd())
    run = [*lines["cronguard run, granted"][0][:2], "--backend", etcd.url()]
    taken = [*run, "--name", "taken", "--tick", "2026-01-01T00:00Z"]
    _measure([*taken, "--", "true"], 0)
    os.environ["ETCDCTL_API"] = "3"
    lock = [etcdctl, f"--endpoints=http://{etcd.hosts}", "lock"]
    lines["on etcd, granted"] = ([*run, "--name", "granted", "--every-run", "--", "true"], 0)
    lines["on etcd, skipped"] = (["env", "CRONGUARD_NODE=third", *taken, "--", "true"], 75)
    lines["etcdctl lock, granted"] = ([*lock, "bench-{n}", "true"], 0)
    return {
        "cronguard run on etcd": [*run, "--name", "handed", "--every-run", "--wait", "60", "--"],
        "etcdctl lock": [*lock, "handed", "--"],
    }


def _hand_overs(argv: list[str], folder: str) -> list[float]:
    """Return the milliseconds from the end of one command to the start of the next, for each hand-over."""
    took = []
    for _ in range(HAND_OVERS):
        stamps = [f"{folder}/{name}" for name in ("held", "ended", "began")]
        for stamp in stamps:
            with open(stamp, "w", encoding="ascii"):
                pass
        held, ended, began = stamps
        holder = subprocess.Popen([*argv, "sh", "-c", f"date > {held}; sleep 1.5; date +%s%N > {ended}"])
        while not os.path.getsize(held):
            time.sleep(0.01)
        waiter = subprocess.Popen([*argv, "sh", "-c", f"date +%s%N > {began}"])
        if holder.wait() or waiter.wait():
            sys.exit(f"{' '.join(argv)}: the lock was not handed over")
        took.append((_stamp(began) - _stamp(ended)) / 1_000_000)
    return took


def _stamp(path: str) -> int:
    with open(path, encoding="ascii") as file:
        return int(file.read())


def _show_hand_overs(took: dict[str, list[float]]) -> None:
    if not took:
        return
    base = statistics.median(took["etcdctl lock"])
    print(f"\n{'hand-over':28}{'min ms':>9}{'median':>9}{'max':>10}{'ratio':>8}")
    for name, times in took.items():
        median = statistics.median(times)
        print(f"{name:28}{min(times):9.1f}{median:9.1f}{max(times):10.1f}{median / base:8.2f}")


def _measure(argv: list[str], expected: int) -> list[float]:
    began = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != expected:
        sys.exit(f"{' '.join(argv)}: status {os.waitstatus_to_exitcode(status)}, expected {expected}")
    return [wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000]


def _show(best: dict[str, list[float]]) -> None:
    base = best["python -c 'import click'"][0]
    print(f"{'':28}{'wall ms':>9}{'cpu ms':>9}{'ratio':>8}")
    for name, (wall, cpu) in best.items():
        print(f"{name:28}{wall:9.1f}{cpu:9.1f}{wall / base:8.2f}")


if __name__ == "__main__":
    main()
