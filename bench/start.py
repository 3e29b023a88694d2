"""Compare the start-up cost of the forms in which cronguard can be installed; docs/binary.md has the results.

    python bench/start.py ROUNDS PROGRAM [NAME=PROGRAM]...

Each round measures every program once, in the environment that cron provides: `--version`, a granted `run -- true` on
a directory, and a skipped one. For each, print the minimum and median wall time in milliseconds, and the ratio of the
minimum to that of the first program. As root, all run at real-time priority, which reduces the effect of other load.
"""

import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress

TICK = "2026-01-01T00:00Z"
LINES = {
    "--version": (["--version"], 0),
    "granted": (["run", "--name", "granted", "--every-run", "--", "true"], 0),
    "skipped": (["run", "--name", "taken", "--tick", TICK, "--", "true"], 75),
}
_QUIET = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]


def main() -> None:
    rounds, programs = int(sys.argv[1]), dict(map(_named, sys.argv[2:]))
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    with tempfile.TemporaryDirectory() as folder:
        times = _measured(rounds, programs, folder)
    first = next(iter(programs))
    print(f"| min, median, ratio | {' | '.join(f'{line} | | ' for line in LINES)}|")
    print(f"|---|{'---:|' * 3 * len(LINES)}")
    for name in programs:
        cells = [
            f"{min(times[name, line]):.1f} | {statistics.median(times[name, line]):.1f} | "
            f"{min(times[name, line]) / min(times[first, line]):.2f}"
            for line in LINES
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def _named(word: str) -> tuple[str, str]:
    name, _, program = word.rpartition("=")
    return name or program, os.path.abspath(program)


def _measured(rounds: int, programs: dict[str, str], folder: str) -> dict[tuple[str, str], list[float]]:
    os.mkdir(f"{folder}/share")
    env = {
        "PATH": "/usr/bin:/bin",
        "HOME": folder,
        "CRONGUARD_STATE_DIR": f"{folder}/state",
        "CRONGUARD_LOG": "none",
        "CRONGUARD_BACKEND": f"dir:{folder}/share",
    }
    taking = ["run", "--name", "taken", "--tick", TICK, "--", "true"]
    for program in programs.values():  # the first claims the tick; programs that unpack once do it now
        _time([program, *taking], {**env, "CRONGUARD_NODE": "other"}, 0)
    times: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        for name, program in programs.items():
            for line, (words, status) in LINES.items():
                took = _time([program, *words], {**env, "CRONGUARD_NODE": "this"}, status)
                times.setdefault((name, line), []).append(took)
    return times


def _time(argv: list[str], env: dict[str, str], expected: int) -> float:
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=_QUIET)
    _, status = os.waitpid(pid, 0)
    took = time.perf_counter() - began
    if os.waitstatus_to_exitcode(status) != expected:
        sys.exit(f"{' '.join(argv)}: status {os.waitstatus_to_exitcode(status)}, expected {expected}")
    return took * 1000


if __name__ == "__main__":
    main()
