"""A user's home with an SSH configuration, to log in to the tests' lock host."""

import os
import shutil
from contextlib import closing

import sshd
from stores import KEY, PollClock

from cronguard.store.contract import Terms, open_backend
from cronguard.system.statedir import StateDir


class Login:
    """The files in a user's ~/.ssh, and logins with them."""

    def __init__(self, host, place, monkeypatch):
        self.host, self.place = host, place
        self.ssh = f"{place}/home/.ssh"
        self.clock = PollClock()
        self.warnings = []
        os.makedirs(self.ssh)
        os.mkdir(f"{place}/share")
        self.key = f"{self.ssh}/id_ed25519"
        shutil.copy(host.key, self.key)
        shutil.copy(f"{host.key}.pub", f"{self.key}.pub")
        self.know(f"[127.0.0.1]:{host.port} {host.host_key()}")
        monkeypatch.setenv("HOME", f"{place}/home")
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

    def know(self, *lines):
        self.write("known_hosts", *lines)

    def write(self, name, *lines):
        with open(f"{self.ssh}/{name}", "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)

    def new_key(self, name="id_ed25519", type_="ed25519", passphrase="", *, is_accepted=True):
        """Create another key, which the server accepts or not, and return its file."""
        path = f"{self.ssh}/{name}"
        for old in (path, f"{path}.pub"):
            if os.path.exists(old):
                os.remove(old)
        sshd.keygen(path, type_, passphrase)
        if is_accepted:
            with open(f"{path}.pub", encoding="ascii") as public, open(self.host.authorized, "a") as file:
                file.write(public.read())
        return path

    def open(self, url=None, patience=30.0):
        url = url or self.host.url(f"{self.place}/share")
        terms = Terms(patience, self.warnings.append)
        return open_backend(url, self.clock, StateDir(f"{self.place}/state", "web1"), terms)

    def use(self, url=None):
        """Read and publish; return the published entry."""
        with closing(self.open(url)) as backend:
            return backend.swap(backend.read(KEY), b"data")
