"""Real runs of cronguard whose nodes share an engine, and the logs of their jobs."""

import subprocess
import sys

from fuzz_checks import Hold
from rig import Cluster

from cronguard.model.record import decode
from cronguard.model.tick import Tick
from cronguard.store.contract import open_backend
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

TICK, NEXT_TICK = "2026-01-01T05:30Z", "2026-01-01T05:31Z"
FIRST = Tick.parse(TICK).epoch
# Logs every twentieth of a second which run is alive, on the clock that all safety statements use.
ALIVE = """n=0; while [ $n -lt {steps} ] && [ ! -e {log}.end ]; do n=$((n+1)); read up rest < /proc/uptime
echo "$CRONGUARD_RUN $ON $CRONGUARD_TOKEN $CRONGUARD_RUN_TICK $up" >> {log}; sleep 0.05; done"""


class Nodes(Cluster):
    """Nodes that share the backend at `url`."""

    def __init__(self, root, url):
        super().__init__(root)
        self.url = url
        self.log = root / "alive.log"

    def tell(self, *words):
        """Return the output of a command other than `run`."""
        command = [sys.executable, "-m", "cronguard", *words]
        done = subprocess.run(
            command, env=self.env(), capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def command(self, *arguments, job="job"):
        fixed = ["run", "--log", "none", "--name", job, *map(str, arguments)]
        return [sys.executable, "-m", "cronguard", *fixed]

    def env(self, node="n1", **more):
        own = {"CRONGUARD_STATE_DIR": f"{self.root}/state-{node}", "ON": node}
        return super().env(node, **{**own, "CRONGUARD_BACKEND": self.url, **more})

    def alive(self, seconds):
        """Return the words of a job that runs for so long, and logs all the time that it is alive."""
        return ["--", "/bin/sh", "-c", ALIVE.format(steps=int(seconds * 20), log=self.log)]

    def end_jobs(self):
        """Let all running jobs finish."""
        self.log.with_name(f"{self.log.name}.end").touch()

    def holds(self):
        """Return the period for which each job was alive, in hundredths of a second."""
        seen = {}
        for line in self.log.read_text().splitlines():
            *what, up = line.split()
            seen.setdefault(tuple(what), []).append(round(float(up) * 100))
        return [
            Hold(node, int(token), min(moments), max(moments), Tick.parse(tick).epoch)
            for (_, node, token, tick), moments in seen.items()
        ]

    def is_running(self, lines=3):
        return self.log.exists() and self.log.read_text().count("\n") >= lines

    def record(self, job="default/job"):
        backend = open_backend(self.url, Clock(), StateDir(f"{self.root}/test-state", "test"))
        return decode(backend.read(f"lease/{job}").data, job)
