"""Measure many nodes that contend for the same tick, on each backend.

    python bench/contention.py [N]...

Each contender is a complete `cronguard run` on its own node. For each backend and number of contenders, print how many
ran the command (must be one), after what time the last loser had exited, and the least and greatest number of backend
calls that a contender made. The number of calls per contender must not grow with the number of contenders.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.join(os.path.dirname(HERE), "tests")
NUMBERS = (4, 16, 48)


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:]] or NUMBERS
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        print(
            f"{'backend':10}{'contenders':>11}{'winners':>9}{'last loser':>12}{'calls, least':>14}{'most':>6}"
        )
        for name, url in _backends(folder, servers):
            for number in numbers:
                _contend(f"{folder}/{name}-{number}", name, url, number)


def contender(url: str, log: str, *words: str) -> int:
    """Run one contender, and write one byte to the log for each backend call."""
    from cronguard.cli import main as cli
    from cronguard.run import keeper
    from cronguard.store import contract as backend

    def open_counted(*arguments: Any) -> Any:
        return _Counted(backend.open_backend(*arguments), log)

    keeper.open_backend = open_counted
    return cli.main(["run", "--backend", url, *words])


class _Counted:
    def __init__(self, inner: Any, log: str) -> None:
        self._inner, self._log = inner, log

    def __getattr__(self, name: str) -> Any:
        with open(self._log, "a", encoding="ascii") as file:
            file.write(name[0])
        return getattr(self._inner, name)


def _backends(folder: str, servers: ExitStack) -> Iterator[tuple[str, str]]:
    sys.path[:0] = [TESTS, f"{TESTS}/engines"]
    from servers import PATH

    for scheme in ("dir", "file"):
        os.mkdir(f"{folder}/{scheme}")
        yield scheme, f"{scheme}:{folder}/{scheme}"
    if shutil.which("etcd", path=PATH):
        from etcd_servers import Etcd

        yield "etcd", servers.enter_context(Etcd()).url()
    if shutil.which("postgres", path=PATH):
        from postgres_servers import Postgres

        yield "postgres", servers.enter_context(Postgres()).url()
    if shutil.which("redis-server", path=PATH):
        from redis_servers import Redis

        yield "redis", servers.enter_context(Redis()).url()


def _contend(folder: str, name: str, url: str, number: int) -> None:
    os.mkdir(folder)
    words = ["--name", f"herd-{number}", "--tick", "2026-01-01T00:00Z", "--log", "none"]
    command = ["--", "sh", "-c", f"echo ran >> {folder}/ran"]
    began = time.perf_counter()
    started = [
        subprocess.Popen(
            [sys.executable, __file__, "--contend", url, f"{folder}/calls-{n}", *words, *command],
            env={**os.environ, "CRONGUARD_NODE": f"n{n}", "CRONGUARD_STATE_DIR": f"{folder}/state"},
        )
        for n in range(number)
    ]
    exits = {}
    while len(exits) < len(started):  # the servers are also children, but they do not exit meanwhile
        pid, status = os.wait()
        exits[pid] = os.waitstatus_to_exitcode(status), time.perf_counter() - began
    if {status for status, _ in exits.values()} - {0, 75}:
        sys.exit(f"{name}: {exits}")
    with open(f"{folder}/ran", encoding="ascii") as file:
        winners = len(file.readlines())
    lost = max((at for status, at in exits.values() if status == 75), default=0.0)
    calls = [os.path.getsize(f"{folder}/calls-{n}") for n in range(number)]
    print(f"{name:10}{number:11}{winners:9}{lost:10.2f} s{min(calls):14}{max(calls):6}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--contend"]:
        sys.exit(contender(*sys.argv[2:]))
    main()
