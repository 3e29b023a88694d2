"""In a PID namespace of its own, where this is process 1: the guard dies at a bad moment. What does the keeper kill?

    unshare --pid --fork --mount-proc python namespace_bystander.py MOMENT COMMAND...

COMMAND is a run whose job does not end by itself. Exits with 0 if processes that have nothing to do with the run are
still alive when all of the run is gone, with 1 if one of them is not.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

moment, command = sys.argv[1], sys.argv[2:]
bystanders = []


def rows():
    """Yield (pid, parent, session, state) of every process."""
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            yield int(name), int(fields[1]), int(fields[3]), fields[0].decode()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
        return {int(word) for word in file.read().split()}


def session(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def wait_for(fact):
    give_up_at = time.monotonic() + 60
    while not (value := fact()):
        if time.monotonic() > give_up_at:
            sys.exit(3)
    return value


def keeper():
    """Return the first keeper, when the job has been started too."""
    wait_for(lambda: len(children(guard.pid)) == 2)
    time.sleep(0.05)  # so that this one is younger than the job
    bystanders.append(subprocess.Popen(["sleep", "600"], start_new_session=True))
    return wait_for(
        lambda: [pid for pid, parent, session, _ in rows() if parent == guard.pid and session == pid]
    )[0]


def kill_the_guard():
    os.kill(guard.pid, signal.SIGKILL)
    guard.wait()


def successor():
    """The first keeper is killed. The next is stopped within microseconds of its fork, before it looks for its parent,
    until the guard has told it of the job and been killed."""
    first = keeper()
    time.sleep(1.5)  # a keeper is replaced a second after it was started, at the earliest
    before = children(guard.pid)
    os.kill(first, signal.SIGKILL)
    # Without a pause: the moment is short. What the first keeper had forked comes to the guard too, and dies.
    while not (fresh := {pid for pid in children(guard.pid) - before if session(pid) not in (None, first)}):
        pass
    second = fresh.pop()
    os.kill(second, signal.SIGSTOP)
    time.sleep(
        0.5
    )  # in which the guard tells it of the job; if it takes longer, there is nothing to be killed
    kill_the_guard()
    os.kill(second, signal.SIGCONT)


def number():
    """The keeper is stopped, and finds a stranger with the number of its guard when it wakes."""
    first = keeper()
    os.kill(first, signal.SIGSTOP)
    time.sleep(3)  # so that it looks around at once
    kill_the_guard()
    with open("/proc/sys/kernel/ns_last_pid", "w") as file:
        file.write(str(guard.pid - 1))
    stranger = subprocess.Popen(["sh", "-c", "sleep 600 & wait"], start_new_session=True)
    if stranger.pid != guard.pid:
        sys.exit(4)
    bystanders.append(stranger)
    wait_for(lambda: children(stranger.pid))
    bystanders_children.update(children(stranger.pid))
    os.kill(first, signal.SIGCONT)


def is_over():
    """Reap, as process 1 must, and return whether only the bystanders are left."""
    for pid, _, _, state in list(rows()):
        if state == "Z" and pid not in {one.pid for one in bystanders}:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
    alive = {pid for pid, _, _, state in rows() if state != "Z"}
    return alive <= {1, *(one.pid for one in bystanders), *bystanders_children}


bystanders_children = set()
bystanders.append(subprocess.Popen(["sleep", "600"], start_new_session=True))
# Not the leader of a session, as under cron: as long as a session lives, nobody else gets its leader's number.
guard = subprocess.Popen(command, stdin=subprocess.DEVNULL)
{"successor": successor, "number": number}[moment]()
wait_for(is_over)
alive = {pid for pid, _, _, state in rows() if state != "Z"}
sys.exit(0 if alive == {1, *(one.pid for one in bystanders), *bystanders_children} else 1)
