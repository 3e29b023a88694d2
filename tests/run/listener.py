"""Note each signal that arrives in a file, until the file FILE.end exists: listener.py FILE."""

import os
import signal
import sys
import time

HEARD = ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT")

path = sys.argv[1]
heard = {getattr(signal, f"SIG{name}"): name for name in HEARD}
with open(path, "a", buffering=1, encoding="ascii") as file:
    for signum in heard:
        if signal.getsignal(signum) != signal.SIG_IGN:
            signal.signal(signum, lambda number, _: file.write(f"{heard[number]}\n"))
    file.write("listening\n")
    give_up_at = time.monotonic() + 600
    while not os.path.exists(f"{path}.end") and time.monotonic() < give_up_at:
        time.sleep(0.02)
