"""The keys that are offered to a host: files, certificates, and the keys of an agent."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from paramiko import Agent, PKey, SSHException, UnknownKeyType
from paramiko.pkey import PublicBlob

from cronguard.store.ssh.config import Host

_MOST = 5  # sshd closes the connection at the sixth key (MaxAuthTries), which would look like a lost one
_AGENT = 5.0  # seconds; a local agent takes milliseconds, one forwarded over a dead connection never answers


class Key(NamedTuple):
    """A key that can sign, and its name for people."""

    name: str
    key: PKey


class Keys:
    """The keys for one host, best first; `excuses` says why others were skipped."""

    def __init__(self, host: Host, warn: Callable[[str], None]) -> None:
        self._host, self._warn = host, warn
        self._agent: list[PKey] | None = None
        self.excuses: list[str] = []

    def __iter__(self) -> Iterator[Key]:
        """Yield files first: cron has no agent, and an agent may hold many keys."""
        offered: set[bytes] = set()
        for key in self._all():
            blob = key.key.public_blob.key_blob if key.key.public_blob else key.key.asbytes()
            if blob not in offered and len(offered) < _MOST:
                offered.add(blob)
                yield key

    def _all(self) -> Iterator[Key]:
        for file in self._host.keys:
            if key := self._load(file):
                for certificate in self._host.certificates:
                    with suppress(ValueError, OSError, SSHException):  # it belongs to another key
                        key.key.load_certificate(certificate)
                if key.key.public_blob:
                    yield Key(f"{file} with its certificate", key.key)
                    key.key.public_blob = None  # the certificate may be for other hosts, or have expired
                yield key
        if self._host.uses_agent:
            yield from (Key(f"{key.get_name()} from the agent", key) for key in self._held())

    def _load(self, file: str) -> Key | None:
        try:
            self._check_mode(file)
            return Key(file, PKey.from_path(file))
        except FileNotFoundError:
            if self._host.are_named:
                self.excuses.append(f"{file} does not exist")
        except TypeError:  # how the library reports that a passphrase is needed
            return self._from_agent(file)
        except (OSError, ValueError, SSHException, UnknownKeyType, UnsupportedAlgorithm) as error:
            self.excuses.append(f"{file} cannot be read ({_told(error)})")
        return None

    def _check_mode(self, file: str) -> None:
        if os.stat(file).st_mode & 0o077:
            self._warn(f"the private key {file} can be read by other users: chmod 600 {file}")

    def _from_agent(self, file: str) -> Key | None:
        """Return the agent's key with the same public part: nobody is there to type the file's passphrase."""
        with suppress(OSError, ValueError):
            public = PublicBlob.from_file(f"{file}.pub").key_blob
            for key in self._held():
                if key.asbytes() == public:
                    return Key(f"{file} from the agent", key)
        self.excuses.append(f"{file} has a passphrase, and no agent holds it")
        return None

    def _held(self) -> list[PKey]:
        if self._agent is None:
            self._agent = []
            if os.environ.get("SSH_AUTH_SOCK"):
                try:
                    self._agent = _of_agent()
                except (SSHException, OSError) as error:
                    self.excuses.append(f"the agent does not answer ({_told(error)})")
        return self._agent


def _of_agent() -> list[PKey]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_AGENT)  # the only way to put a time limit on the library's connection
    try:
        return list(Agent().get_keys())
    finally:
        socket.setdefaulttimeout(before)


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0] or type(error).__name__
