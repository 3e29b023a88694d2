"""`ssh://user@host/path`, a directory on a lock host that is reached by SSH."""

from typing import TYPE_CHECKING

from cronguard.store.contract import TERMS, Terms, storage_errors
from cronguard.store.files.directory import DirectoryBackend
from cronguard.store.files.share import Share
from cronguard.store.ssh.address import Address
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

if TYPE_CHECKING:
    from cronguard.store.ssh.port import SftpPort


class SSHBackend(DirectoryBackend):
    """The versions of `dir:`, over SFTP. Both backends may use one directory at the same time.

    Old versions are removed at once, over the one connection: a child that did it later would need another one.
    """

    unlinks_at_once = True

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> "SSHBackend":
        """Connect. Raises StoreRefusedError if the host is not known, StoreForbiddenError if it refuses the login."""
        port, where = _reached(url, clock, state, terms)
        with storage_errors(where):
            root = Address.parse(url).path
            return cls(Share(url, state, root, where, port.is_directory), clock, port)

    @classmethod
    def make_root(cls, url: str, clock: Clock, state: StateDir, terms: Terms, mode: int) -> bool:
        """Create the directory that `open` requires; return False if it exists.

        Raises BackendError if it cannot be created.
        """
        port, where = _reached(url, clock, state, terms)
        with storage_errors(where):
            if port.is_directory(Address.parse(url).path) is not None:
                return False
            port.make_root(mode)
            return True

    def __init__(self, share: Share, clock: Clock, port: "SftpPort") -> None:
        super().__init__(share, clock, port)
        self._sftp_port = port

    def close(self) -> None:
        """Close the connection."""
        self._sftp_port.close()

    def _stage(self, folder: str, data: bytes) -> str:
        """Prepare a version; after a lost connection, under a new name (see SftpPort)."""
        return self._sftp_port.again(lambda: super(SSHBackend, self)._stage(folder, data))

    def _look_freshly(self, folder: str) -> float:
        """Return the store's time. There is no cache to bypass over SFTP."""
        return self._sftp_port.again(lambda: super(SSHBackend, self)._look_freshly(folder))


def _reached(url: str, clock: Clock, state: StateDir, terms: Terms) -> "tuple[SftpPort, str]":
    """Return the port to the host's directory, and the directory's name for messages.

    The imports are here because the guard imports this module for a possible second keeper. The SSH library, which
    takes longer to import than all of cronguard, is only for processes that connect.
    """
    from cronguard.store.ssh.connection import Dialer
    from cronguard.store.ssh.port import SftpPort

    address = Address.parse(url)
    port = SftpPort(address.path, Dialer(address, state, clock, terms).connect, clock, terms.patience)
    return port, f"{address.host}:{address.path}"
