"""One machine: a user-mode Linux kernel with its own processes, caches, memory and clock."""

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass

from line import Line

HERE = os.path.dirname(os.path.abspath(__file__))
BOOT_TIMEOUT = 60.0  # seconds: a boot takes 3 s on an idle machine, and maybe ten times that on a busy one
DEATH_TIMEOUT = 10.0  # seconds: the host cleans up a killed node within milliseconds


class NodeError(Exception):
    """A node did not do what the lab needs; the scenario cannot go on."""


@dataclass(frozen=True, slots=True)
class Result:
    status: int
    output: str


@dataclass(frozen=True, slots=True)
class Command:
    """A script that was started on a node. Wait for it, or leave it running."""

    node: "Node"
    number: int

    def wait(self, timeout=30.0):
        return self.node.result(self.number, timeout)


class Node:
    """A node's power switch, its network cable, its clock and its serial line."""

    def __init__(self, lab, name, number, mem="320M", **words):
        """Add a node to the lab. `words` go on the kernel's command line; unknown ones become variables of init.sh."""
        self.name = name
        self.address = f"10.77.0.{number}"
        self.desk = f"{lab.folder}/{name}"
        self._lab = lab
        self._tap = f"tap-{name}"
        self._mac = (
            f"02:00:0a:4d:00:{number:02x}"  # fixed, because the other nodes' ARP caches outlive a reboot
        )
        self._words = dict(words, mem=mem, NODE=name, ADDRESS=self.address, umid=f"{lab.id}-{name}")
        self._commands = 0
        self._kernel = None
        os.mkdir(self.desk)
        lab.network.add(self._tap)

    def power_on(self):
        """Start the kernel. `ready` waits until it has booted, so that several nodes can boot in parallel."""
        self._line = Line()
        with open(f"{self.desk}/console.log", "a") as log:
            self._kernel = subprocess.Popen(
                self._command_line(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[self._line.theirs.fileno()],
                start_new_session=True,  # one process group for all its host processes, so that one kill ends them
                env={"PATH": os.environ["PATH"], "TERM": "dumb"},
            )
        self._line.hand_over()

    def _command_line(self):
        lab = self._lab
        root = ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={HERE}/init.sh"]
        network = f"vec0:transport=tap,ifname={self._tap},depth=64,mac={self._mac}"
        consoles = ["con=null", "con0=null,fd:1", "ssl=null", f"ssl0=fd:{self._line.theirs.fileno()}"]
        variables = dict(LAB=lab.folder, CODE=HERE, PYTHON=lab.python, uml_dir=f"{lab.folder}/uml/")
        words = [f"{key}={value}" for key, value in {**variables, **self._words}.items()]
        return ["linux.uml", *root, network, *consoles, *words]

    def ready(self, timeout=BOOT_TIMEOUT):
        if self._line.answer("ready", timeout) is None:
            raise NodeError(f"{self.name} died or hung while it booted: see {self.name}/console.log")

    def boot(self):
        self.power_on()
        self.ready()

    def crash(self):
        """Cut the power: all processes of the node end at once, and nothing more is written."""
        if self._kernel:
            self._kill_the_group()
            self._kernel.wait(DEATH_TIMEOUT)
            self._line.close()
            self._kernel = None

    def _kill_the_group(self):
        # The tap device is busy until the last of the kernel's host processes has exited.
        deadline = time.monotonic() + DEATH_TIMEOUT
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(self._kernel.pid, signal.SIGKILL)
                self._kernel.poll()
                time.sleep(0.02)

    def close(self):
        self.crash()
        self._lab.network.remove(self._tap)

    def reboot(self):
        self.crash()
        self.boot()

    def freeze(self):
        """Freeze the whole machine, as when a hypervisor suspends it; its clocks continue meanwhile."""
        # Only the kernel's own process gets the signal: it would take a signal to a process that it traces for one of
        # its guest's, and fail.
        self._kernel.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._kernel.send_signal(signal.SIGCONT)

    def cut(self):
        """Partition the node: it lives on, but reaches no other node."""
        self._lab.network.cut(self._tap)

    def mend(self):
        self._lab.network.mend(self._tap)

    def start(self, script):
        """Start a shell script on the node. Its output is available when all processes that hold it have closed it."""
        self._commands += 1
        with open(f"{self.desk}/{self._commands}.sh", "w") as file:
            file.write(script + "\n")
        self._line.send(self._commands)
        return Command(self, self._commands)

    def run(self, script, timeout=30.0):
        return self.start(script).wait(timeout)

    def check(self, script, timeout=30.0):
        """Run a script that must succeed, and return its output."""
        result = self.run(script, timeout)
        if result.status:
            raise NodeError(f"{self.name}: status {result.status} of {script!r}: {result.output}")
        return result.output

    def result(self, number, timeout):
        status = self._line.answer(str(number), timeout)
        if status is None:
            raise NodeError(f"{self.name}: no end of command {number} within {timeout:g} s")
        with open(f"{self.desk}/{number}.out", errors="replace") as output:
            return Result(int(status), output.read())

    def shift_clock(self, seconds):
        """Step the wall clock. As on a real machine, the boot clock does not change."""
        self.check(f"date -s '{seconds:+.3f} seconds'")

    def cron(self, crontab):
        """Start Debian's cron with this crontab for root."""
        with open(f"{self.desk}/crontab", "w") as file:
            file.write(crontab)
        self.check(
            f"install -m 600 -g crontab /run/lab/{self.name}/crontab /var/spool/cron/crontabs/root && cron"
        )
