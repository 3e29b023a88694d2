"""Note the boot time in a file, again and again, until FILE.end exists: alive.py FILE [stubborn]."""

import os
import signal
import sys
import time

path, *options = sys.argv[1:]
if "stubborn" in options:
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_IGN)
give_up_at = time.monotonic() + 600
with open(path, "a", buffering=1, encoding="ascii") as file:
    while not os.path.exists(f"{path}.end") and time.monotonic() < give_up_at:
        file.write(f"{os.getpid()} {time.clock_gettime(time.CLOCK_BOOTTIME):.3f}\n")
        time.sleep(0.02)
