"""What cronguard costs before a command that does nothing, beside what else could stand there.

    python bench/overhead.py [ROUNDS]

All lines are measured in turn, round by round, in one run, and compared by the least of each: wall and CPU time
in milliseconds, peak memory of the largest process in MiB, and the ratio of the wall times to `import click`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../tests")

PYTHON = sys.executable


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as folder, _lock_host(folder) as host:
        contenders = _contenders(folder) | _over_ssh(folder, host)
        best = {name: [float("inf")] * 3 for name in contenders}
        for number in range(rounds):
            for name, (argv, expected) in contenders.items():
                measured = _measure([word.replace("{n}", str(number)) for word in argv], expected)
                best[name] = [min(pair) for pair in zip(best[name], measured, strict=True)]
        _show(best)


def _contenders(folder: str) -> dict[str, tuple[list[str], int]]:
    """Return what to run, and the exit status that it must have."""
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
    if (etcdctl := shutil.which("etcdctl")) and _answers([etcdctl, "--command-timeout=1s", "get", "bench"]):
        lines["etcdctl lock"] = ([etcdctl, "lock", "bench-{n}", "true"], 0)
    return lines


def _answers(argv: list[str]) -> bool:
    """Return whether a program that may be there without its server does what it is asked for."""
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _lock_host(folder: str):
    """Return a server on loopback, if there is one to start."""
    if not os.path.exists("/usr/sbin/sshd"):
        return nullcontext()
    import sshd

    return sshd.Sshd(f"{folder}/lock-host")


def _over_ssh(folder: str, host) -> dict[str, tuple[list[str], int]]:
    """Return the same cold, over SSH: each line makes a connection of its own."""
    if host is None:
        return {}
    os.environ["HOME"] = str(host.home)  # OpenSSH's client looks elsewhere, and is told where
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


def _measure(argv: list[str], expected: int) -> list[float]:
    began = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, os.environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != expected:
        sys.exit(f"{' '.join(argv)}: status {os.waitstatus_to_exitcode(status)}, expected {expected}")
    return [wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss / 1024]


def _show(best: dict[str, list[float]]) -> None:
    base = best["python -c 'import click'"][0]
    print(f"{'':28}{'wall ms':>9}{'cpu ms':>9}{'peak MiB':>10}{'ratio':>8}")
    for name, (wall, cpu, memory) in best.items():
        print(f"{name:28}{wall:9.1f}{cpu:9.1f}{memory:10.1f}{wall / base:8.2f}")


if __name__ == "__main__":
    main()
