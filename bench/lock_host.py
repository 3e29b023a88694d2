"""What jobs that run cost an SSH lock host: memory and processes of sshd, and its processor time for each beat.

    python bench/lock_host.py [CONNECTIONS]

Two ways to keep a lease are measured: a connection that stays open, which is what cronguard does, and one for each beat.
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
HEARTBEAT = 10.0  # seconds, with a ttl of 40 s and more


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
        print(f"{'processes of sshd for a running job':40}{(len(tree) - 1) / count:9.1f}")
        print(f"{'memory, shared pages in proportion':40}{pss / count / 1024:9.2f} MiB")
        print(f"{'memory, shared pages in full':40}{rss / count / 1024:9.2f} MiB")

        began = processor_time(host.tree())
        for _ in range(10):
            entries = [b.swap(entry, bytes(4000)) for b, entry in zip(backends, entries, strict=True)]
        kept = (processor_time(host.tree()) - began) / 10 / count
        print(f"{'processor time of a beat, kept open':40}{kept * 1000:9.2f} ms")
        print(
            f"{'of a beat with a connection of its own':40}{reconnecting(host, connect, count) * 1000:9.2f} ms"
        )
        print(
            f"a thousand jobs, a beat each {HEARTBEAT:g} s, kept open: {kept * 1000 / HEARTBEAT:.2f} processors"
        )


def reconnecting(host, connect, count):
    """Processor time of sshd's children counts for their parent once they have ended."""
    began = processor_time([host.pid])
    for number in range(count):
        backend = connect(number)
        backend.swap(backend.read(f"lease/bench/j{number}"), bytes(4000))
        backend.close()
    time.sleep(1.0)  # for the last to be buried
    return (processor_time([host.pid]) - began) / count


def memory(pids):
    """Return the proportional and the resident set, in KiB."""
    found = [0, 0]
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            for at, name in enumerate(("Pss:", "Rss:")):
                if line.startswith(name):
                    found[at] += int(line.split()[1])
    return found


def processor_time(pids):
    """Return the seconds that processes have computed, and their children that have ended."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


if __name__ == "__main__":
    main()
