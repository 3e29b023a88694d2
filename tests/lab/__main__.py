"""`python tests/lab [SCENARIO]...`: boot a cluster for each scenario, play it and report the result; two at a time."""

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from cluster import Cluster
from intervals import read_runs
from scenarios import SCENARIOS

INSIDE = "CRONGUARD_LAB_ID"  # set in a scenario's own namespaces
MEMORY = (
    "3G"  # the limit for four kernels, the disk and the logs; the host allocates pages as they are touched
)
CLUSTERS = 2  # at a time: a cluster mostly waits, for minutes to pass and leases to expire


def main():
    options = parse(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))  # sys.exit would wait for all scenarios
    if INSIDE in os.environ:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEMORY}", "lab", "/dev/shm"], check=True)
        sys.exit(0 if passes(*options.scenario, options.python) else 1)
    with ThreadPoolExecutor(CLUSTERS) as pool:
        wanted = options.scenario or list(SCENARIOS)
        failed = [name for name, status in zip(wanted, pool.map(enter, wanted), strict=True) if status]
    sys.exit(f"lab: failed: {', '.join(failed)}" if failed else 0)


def parse(words):
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    parser.add_argument("scenario", nargs="*", help="all by default")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that the nodes run")
    parser.epilog = f"Scenarios: {', '.join(SCENARIOS)}"
    options = parser.parse_args(words)
    if unknown := set(options.scenario) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return options


def enter(name):
    """Play a scenario in its own network, mount and PID namespaces.

    When it or this program ends, even by SIGKILL, the kernel removes everything it made: processes, taps, mounts and
    the directory in memory. A shell is the first process there, because it reaps orphans.
    """
    lab_id = f"cronguard-lab-{secrets.token_hex(4)}"
    spaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    options = [word for word in sys.argv[1:] if word not in SCENARIOS]
    program = [sys.executable, sys.argv[0], *options, name]
    command = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        *spaces,
        "sh",
        "-c",
        '"$@"; exit $?',
        lab_id,
        *program,
    ]
    played = subprocess.run(command, env={**os.environ, INSIDE: lab_id}, check=False, stdout=subprocess.PIPE)
    print(played.stdout.decode(errors="replace"), end="", flush=True)
    return played.returncode


def passes(name, python):
    """Play one scenario on its own cluster; keep the logs if it fails."""
    folder = f"/dev/shm/{os.environ[INSIDE]}/{name}"
    began = time.monotonic()
    try:
        with Cluster(folder, os.environ[INSIDE], python) as cluster:
            booted = time.monotonic()
            SCENARIOS[name](cluster)
    except Exception:  # noqa: BLE001 - it is reported, with the location of the logs
        print(f"{name} FAILED after {time.monotonic() - began:.0f} s; logs in {keep(folder)}")
        traceback.print_exc(file=sys.stdout)
        return False
    finally:
        shutil.rmtree(folder)
    print(f"{name} ok ({booted - began:.1f} s to boot, {time.monotonic() - booted:.1f} s)")
    return True


def keep(folder):
    """Copy the evidence of a failure to a place that outlives the lab."""
    with open(f"{folder}/runs.txt", "w") as file:
        file.writelines(f"{run}\n" for run in read_runs(f"{folder}/marks"))
    kept = tempfile.mkdtemp(prefix=f"{os.environ[INSIDE]}-")
    return shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("uml", "marks"))


if __name__ == "__main__":
    main()
