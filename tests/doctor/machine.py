"""A healthy node: everything that doctor checks is as it should be, until a test breaks one thing."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import cronguard

DRIVER = str(Path(__file__).parent / "driver.py")
ROOT = Path(cronguard.__file__).parents[1]
# The disk of the machine, and the share of the nodes, as the kernel lists their mounts on real machines.
DISK = "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw"
NFS = "40 27 0:45 / {share} rw,relatime shared:77 - nfs4 10.0.0.1:/ rw,vers=4.2,hard,local_lock=none"


class Machine:
    """A node in its own folder; `config` is what its configuration file holds, `facts` are given to the driver."""

    def __init__(self, folder, name="web1", share=None):
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.share = share or folder / "share"
        self.share.mkdir(exist_ok=True)
        self.state = folder / "state"
        self.file = folder / "config.toml"
        self.config = {"node": name, "backend": f"dir:{self.share}", "state_dir": str(self.state)}
        self.program = self._program()
        self.syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.syslog.bind(f"{folder}/log")
        (folder / "mounts").write_text(f"{DISK}\n{NFS.format(share=self.share)}\n")
        self.processes("systemd", "cron")
        self.facts = {"places": self._places()}
        self.write_config()

    def _program(self):
        path = self.folder / "bin" / "cronguard"
        path.parent.mkdir()
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    def _places(self):
        named = {
            "processes": "proc",
            "mounts": "mounts",
            "syslog": "log",
            "cron_path": "bin",
            "systemd": "none",
        }
        return {**{name: f"{self.folder}/{path}" for name, path in named.items()}, "units": []}

    def processes(self, *names):
        """Let these programs run, and no others."""
        for number in range(1, 10):
            (self.folder / "proc" / str(number)).mkdir(parents=True, exist_ok=True)
            (self.folder / "proc" / str(number) / "comm").write_text("kthreadd\n")
        for number, name in enumerate(names, 1):
            (self.folder / "proc" / str(number) / "comm").write_text(f"{name}\n")

    def write_config(self, **more):
        self.config |= more
        lines = [f"{key} = {json.dumps(value)}" for key, value in self.config.items() if value is not None]
        self.file.write_text("\n".join(lines) + "\n")

    def env(self, **more):
        path = f"{self.program.parent}:{os.environ['PATH']}"
        modules = f"{ROOT}{os.pathsep}{os.path.dirname(DRIVER)}"
        return {"PATH": path, "HOME": str(self.folder), "PYTHONPATH": modules, **more}

    def command(self, *argv, wrapped_by=()):
        return [*wrapped_by, sys.executable, DRIVER, json.dumps(self.facts), *map(str, argv)]

    def call(self, *argv, wrapped_by=(), **more):
        """Run a command line to its end. A process that hangs on storage may keep stderr open, so that is a file."""
        said = self.folder / "said"
        with said.open("w") as file:
            done = subprocess.run(
                self.command(*argv, wrapped_by=wrapped_by), env=self.env(**more), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=file, text=True, timeout=120, check=False,
            )  # fmt: skip
        done.stderr = said.read_text()
        return done

    def doctor(self, *argv, wrapped_by=(), **more):
        """Return the exit status, and the findings by name."""
        done = self.call("doctor", "--config", self.file, "--json", *argv, wrapped_by=wrapped_by, **more)
        assert done.stderr == "", done.stderr
        found = json.loads(done.stdout)
        assert len({row["name"] for row in found}) == len(found)
        return done.returncode, {row["name"]: row for row in found}

    def ill(self, *argv, **more):
        """Return the warnings and problems by name; each must have advice, and the exit status must match."""
        status, found = self.doctor(*argv, **more)
        bad = {name: row["state"] for name, row in found.items() if row["state"] in ("warning", "problem")}
        assert all(found[name]["do"] for name in bad), found
        assert status == (1 if bad else 0)
        return bad

    def run(self, *argv, tick="2026-01-01T00:00Z", **more):
        """Guard a command."""
        fixed = ("run", "--config", self.file, "--log", "none", "--tick", tick)
        return self.call(*fixed, *argv, **more)

    def close(self):
        self.syslog.close()
