"""`python tests/lab [SCENARIO]...`: boot a cluster for each scenario, play it, and say how it went; two at a time."""

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
MEMORY = "3G"  # at most: four kernels, the disk and the logs; the host gives pages as they are touched
CLUSTERS = 2  # at a time: a cluster mostly waits, for minutes and leases to run out


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
    """Play a scenario in namespaces of its own: network, mounts and process numbers.

    Whatever way it, or this program, ends, SIGKILL included, the kernel then takes back all it made: processes, taps,
    mounts and the folder in memory. A shell is the first process there, because it buries orphans.
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
    """Play one scenario on a cluster of its own; keep the logs of one that fails."""
    folder = f"/dev/shm/{os.environ[INSIDE]}/{name}"
    began = time.monotonic()
    try:
        with Cluster(folder, os.environ[INSIDE], python) as cluster:
            booted = time.monotonic()
            SCENARIOS[name](cluster)
    except Exception:  # noqa: BLE001 - it is told, with where the logs are
        print(f"{name} FAILED after {time.monotonic() - began:.0f} s; logs in {keep(folder)}")
        traceback.print_exc(file=sys.stdout)
        return False
    finally:
        shutil.rmtree(folder)
    print(f"{name} ok ({booted - began:.1f} s to boot, {time.monotonic() - booted:.1f} s)")
    return True


def keep(folder):
    """Copy what tells of a failure to where it outlives the lab."""
    with open(f"{folder}/runs.txt", "w") as file:
        file.writelines(f"{run}\n" for run in read_runs(f"{folder}/marks"))
    kept = tempfile.mkdtemp(prefix=f"{os.environ[INSIDE]}-")
    return shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("uml", "marks"))


if __name__ == "__main__":
    main()
