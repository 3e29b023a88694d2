"""`python tests/lab [SCENARIO]...`: boot a cluster for each scenario, play it, and say how it went."""

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

from cluster import Cluster
from intervals import read_runs
from scenarios import SCENARIOS

INSIDE = "CRONGUARD_LAB_ID"  # set in the lab's own namespaces
MEMORY = "3G"  # at most: four kernels, the disk and the logs; the host gives pages as they are touched


def main():
    options = parse(sys.argv[1:])
    if INSIDE not in os.environ:
        enter()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("lab: ended by SIGTERM"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEMORY}", "lab", "/dev/shm"], check=True)
    try:
        failed = [name for name in options.scenario or SCENARIOS if not passes(name, options.python)]
    except KeyboardInterrupt:
        sys.exit("lab: interrupted")
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


def enter():
    """Run this program again in namespaces of its own: network, mounts and process numbers.

    Whatever way the lab ends, SIGKILL included, the kernel then takes back all it made: processes, taps,
    mounts and the folder in memory. A shell is the first process there, because it buries orphans.
    """
    os.environ[INSIDE] = f"cronguard-lab-{secrets.token_hex(4)}"
    spaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    program = [sys.executable, *sys.argv]
    os.execvp("unshare", ["unshare", *spaces, "sh", "-c", '"$@"; exit $?', os.environ[INSIDE], *program])


def passes(name, python):
    """Play one scenario on a cluster of its own; keep the logs of one that fails."""
    folder = f"/dev/shm/{os.environ[INSIDE]}/{name}"
    began = time.monotonic()
    print(f"{name} ... ", end="", flush=True)
    try:
        with Cluster(folder, os.environ[INSIDE], python) as cluster:
            booted = time.monotonic()
            SCENARIOS[name](cluster)
    except Exception:  # noqa: BLE001 - whatever went wrong, the other scenarios are played
        print(f"FAILED after {time.monotonic() - began:.0f} s; logs in {keep(folder)}")
        traceback.print_exc(file=sys.stdout)
        return False
    finally:
        shutil.rmtree(folder)
    print(f"ok ({booted - began:.1f} s to boot, {time.monotonic() - booted:.1f} s)", flush=True)
    return True


def keep(folder):
    """Copy what tells of a failure to where it outlives the lab."""
    with open(f"{folder}/runs.txt", "w") as file:
        file.writelines(f"{run}\n" for run in read_runs(f"{folder}/marks"))
    kept = tempfile.mkdtemp(prefix=f"{os.environ[INSIDE]}-")
    return shutil.copytree(folder, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("uml", "marks"))


if __name__ == "__main__":
    main()
