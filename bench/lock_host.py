"""Measure what running jobs cost an SSH lock host: sshd's processes, memory, and processor time per heartbeat.

    python bench/lock_host.py [CONNECTIONS]

Compare two ways to renew a lease: over a connection that stays open, as cronguard does, and over a new connection
for each heartbeat.
"""

import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import sshd

from cronguard.store.contract import open_backend
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

TICKS = os.sysconf("SC_CLK_TCK")
HEARTBEAT = 10.0  # seconds, with a ttl of 40 s or more


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as folder, sshd.Sshd(folder, sshd.STOCK + "MaxStartups 100\n") as host:
        os.environ |= host.env
        os.mkdir(f"{folder}/store")

        def connect(number):
            state = StateDir(f"{folder}/state", f"n{number}")
            return open_backend(host.url(f"{folder}/store"), Clock(), state)

        before = memory(host.tree())
        backends = [connect(number) for number in range(count)]
        entries = [
            backend.swap(backend.read(f"lease/bench/j{n}"), bytes(4000)) for n, backend in enumerate(backends)
        ]
        tree = host.tree()
        pss, rss = (now - then for now, then in zip(memory(tree), before, strict=True))
        print(f"{'sshd processes per running job':40}{(len(tree) - 1) / count:9.1f}")
        print(f"{'memory per job, proportional (PSS)':40}{pss / count / 1024:9.2f} MiB")
        print(f"{'memory per job, resident (RSS)':40}{rss / count / 1024:9.2f} MiB")

        began = processor_time(host.tree())
        for _ in range(10):
            entries = [b.swap(entry, bytes(4000)) for b, entry in zip(backends, entries, strict=True)]
        kept = (processor_time(host.tree()) - began) / 10 / count
        print(f"{'CPU time per heartbeat, same connection':40}{kept * 1000:9.2f} ms")
        print(
            f"{'CPU time per heartbeat, new connection':40}{reconnecting(host, connect, count) * 1000:9.2f} ms"
        )
        print(
            f"1000 jobs, a heartbeat every {HEARTBEAT:g} s, same connection: {kept * 1000 / HEARTBEAT:.2f} processors"
        )


def reconnecting(host, connect, count):
    """Return the seconds per heartbeat; a child's processor time counts for sshd once the child has exited."""
    began = processor_time([host.pid])
    for number in range(count):
        backend = connect(number)
        backend.swap(backend.read(f"lease/bench/j{number}"), bytes(4000))
        backend.close()
    time.sleep(1.0)  # until sshd has reaped the last child
    return (processor_time([host.pid]) - began) / count


def memory(pids):
    """Return the proportional and the resident set size, in KiB."""
    found = [0, 0]
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            for at, name in enumerate(("Pss:", "Rss:")):
                if line.startswith(name):
                    found[at] += int(line.split()[1])
    return found


def processor_time(pids):
    """Return the processor time of processes and their exited children, in seconds."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


if __name__ == "__main__":
    main()
