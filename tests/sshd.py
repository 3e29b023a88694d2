"""A real sshd on loopback with its own configuration, host keys and authorized keys, and a home that trusts it."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from ports import free_port
from processes import wait_until

SSHD = "/usr/sbin/sshd"
TYPES = ("ed25519", "ecdsa", "rsa")
# The settings of a fresh installation that differ from the built-in defaults or matter here.
STOCK = "MaxStartups 10:30:100\nUsePAM no\nSubsystem sftp internal-sftp\n"


def require():
    """Skip a test where there is no sshd."""
    if not os.path.exists(SSHD) or not shutil.which("ssh-keygen"):
        pytest.skip("needs openssh-server")


class Sshd:
    """One server. `home` has a key that it accepts and a known_hosts that names it."""

    def __init__(self, folder, config=STOCK, user=None, wrapped_by=()):
        """Prepare the server. `wrapped_by` is a command that executes it."""
        self.folder = Path(folder)
        self._wrapped_by = wrapped_by
        self.home = self.folder / "home"
        self.user = user or os.popen("id -un").read().strip()
        self.config = config
        self.port = free_port()
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        self.key = self.home / ".ssh/id_ed25519"
        keygen(self.key)
        self.authorized = self.folder / "authorized_keys"
        self.authorized.write_text(self.key.with_suffix(".pub").read_text())
        shutil.copytree(host_keys(), self.folder, dirs_exist_ok=True)
        self.folder.chmod(0o755)  # sshd reads the keys of an account as that account
        self.know()
        self._process = None

    @property
    def env(self):
        return {"HOME": str(self.home)}

    @property
    def pid(self):
        return self._process.pid

    def url(self, path, port=None):
        return f"ssh://{self.user}@127.0.0.1:{port or self.port}{path}"

    def host_key(self, type_="ed25519"):
        """Return the type and the base64 of a host key."""
        return " ".join((self.folder / f"host_{type_}.pub").read_text().split()[:2])

    def know(self, text=None):
        """Set the known hosts: by default this one, by its first key."""
        line = f"[127.0.0.1]:{self.port} {self.host_key()}\n" if text is None else text
        (self.home / ".ssh/known_hosts").write_text(line)

    def start(self):
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        file = self.folder / "sshd_config"
        file.write_text(self._whole_config())
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [*self._wrapped_by, SSHD, "-D", "-e", "-f", file],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._listens, "sshd")
        return self

    def stop(self):
        """Kill it as a power cut would, with all of its sessions at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        # A process that was being started for a connection is not in the tree yet, and keeps the port for a moment.
        wait_until(lambda: not self._accepts(), "the end of sshd")

    def freeze(self):
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    def _signal(self, signum):
        for pid in self.tree():
            with suppress(ProcessLookupError):
                os.kill(pid, signum)

    def tree(self):
        """Return the server and all its descendants, the server first."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with suppress(OSError):
                    fields = Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()
                    parents[int(entry)] = int(fields[1])
        found = [self.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def __enter__(self):
        return self.start()

    def __exit__(self, *failure):
        if self._process.poll() is None:
            self.stop()

    def _listens(self):
        assert self._process.poll() is None, (self.folder / "log").read_text()
        return self._accepts()

    def _accepts(self):
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def _whole_config(self):
        own = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            "ListenAddress ::1",
            "PidFile none",
            f"AuthorizedKeysFile {self.authorized}",
            "StrictModes no",  # the keys are in a test's folder
            *(f"HostKey {self.folder}/host_{type_}" for type_ in TYPES),
        ]
        return "\n".join(own) + "\n" + self.config


def keygen(path, type_="ed25519", passphrase=""):
    command = ["ssh-keygen", "-q", "-t", type_, "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@cache
def host_keys():
    """Return a folder with host keys. They are made only once, because a good one takes a second."""
    folder = tempfile.mkdtemp(prefix="cronguard-keys-")
    atexit.register(shutil.rmtree, folder)
    for type_ in TYPES:
        keygen(f"{folder}/host_{type_}", type_)
    return folder


@cache
def shared_host():
    """Return a server for all tests of this process that do not disturb it."""
    folder = tempfile.mkdtemp(prefix="cronguard-sshd-")
    os.chmod(folder, 0o755)
    host = Sshd(folder).start()

    def end():
        host.stop()
        shutil.rmtree(folder)

    atexit.register(end)
    return host
