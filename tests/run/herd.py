"""Start many runs at the same moment, and print their exit statuses: herd.py COUNT SPREAD OUT WORD...

Each run is a process, forked from this one after all imports. So they compete for the backend, and not for a
processor. The first starts SPREAD/2 seconds before a full second, the last SPREAD/2 seconds after it. `{n}` in the
arguments and in CRONGUARD_NODE is replaced by each process's number.
"""

import math
import os
import sys
import time

from cronguard.cli import main as cli
from cronguard.cli import run  # noqa: F401
from cronguard.run import guard, keeper, keeping, plan  # noqa: F401
from cronguard.store.files import directory  # noqa: F401

if any("ssh://" in word for word in sys.argv):
    import paramiko  # noqa: F401


def start(number, at):
    """Become a run at the wall time `at`."""
    os.environ["CRONGUARD_NODE"] = os.environ["CRONGUARD_NODE"].replace("{n}", str(number))
    time.sleep(max(0.0, at - time.time()))
    out = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os._exit(cli.main([word.replace("{n}", str(number)) for word in sys.argv[4:]]))


count, spread = int(sys.argv[1]), float(sys.argv[2])
edge = math.ceil(time.time() + 1.0)
pids = []
for number in range(count):
    if (pid := os.fork()) == 0:
        start(number, edge - spread / 2 + spread * number / count)
    pids.append(pid)
print(*[os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids])
