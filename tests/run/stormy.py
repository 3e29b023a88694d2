"""A job that starts more and more processes: stormy.py FOLDER KIND. None lives longer than two minutes."""

import os
import signal
import sys
import time

MOST = 300  # processes at a time

folder, kind = sys.argv[1:]
give_up_at = time.monotonic() + 120
for name in ("SIGTERM", "SIGHUP", "SIGINT"):
    signal.signal(getattr(signal, name), signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def idle():
    while time.monotonic() < give_up_at:
        time.sleep(1)
    os._exit(0)


def multiply():
    """Start children that only wait, some in their own sessions, up to a limit."""
    for number in range(MOST):
        if os.fork() == 0:
            if number % 3 == 0:
                os.setsid()
            idle()
        time.sleep(0.002)


def hop():
    """Form a chain of processes: each starts the next one, which gets its own session, and exits."""
    while time.monotonic() < give_up_at:
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
        time.sleep(0.03)


open(f"{folder}/began", "w").close()
if kind == "multiply":
    multiply()
elif os.fork() == 0:
    hop()
idle()
