"""A connection to a lock host. Every step has a time limit, every host must be known, every login uses a key."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

from cronguard.store.contract import Terms
from cronguard.store.ssh import config as sshconfig
from cronguard.store.ssh.address import Address
from cronguard.store.ssh.config import Host
from cronguard.store.ssh.hostkeys import HostKey, KnownHosts
from cronguard.store.ssh.sftp import Sftp
from cronguard.store.ssh.socket import connected
from cronguard.system.clock import Clock
from cronguard.system.errors import StoreForbiddenError
from cronguard.system.statedir import StateDir

if TYPE_CHECKING:
    from socket import socket

    from paramiko import Channel, Transport

# Seconds. An fsync can take seconds on a host that is making its backups. But if an answer does not come, there must be
# time for another connection within the 30 s that a backend may take to answer, or within a shorter lease. So a step
# gets at most a third of it.
_STEP = 10.0
# Seconds. A heartbeat is sent at least every ten seconds; this is for a longer silence, for example of a waiting run.
_KEEPALIVE = 15
_WARN_EVERY = 86400.0  # once a day is enough for the reader of cron's mail
# A key's type is also that of its signatures, except for RSA.
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


class _LateError(ConnectionError):
    """A step took too long."""


class Dialer:
    """Opens connections to one address, again and again."""

    def __init__(self, address: Address, state: StateDir, clock: Clock, terms: Terms) -> None:
        self._address, self._state, self._clock = address, state, clock
        self._warn_now = terms.warn
        self._limit = min(_STEP, terms.patience / 3)

    def connect(self) -> Sftp:
        """Return a new SFTP session.

        Raises ConnectionError for a failure that may soon pass, StoreRefusedError if the host key is not the known one,
        StoreForbiddenError if no key is accepted, and ConfigError for unsupported settings.
        """
        with ExitStack() as undo:
            line = self._line(undo)
            session = Sftp(line, self._address.host)
            line.undo = undo.pop_all()
            return session

    def _line(self, undo: ExitStack) -> "_Line":
        """Log in to each host on the way, and return a channel to the SFTP server of the last one."""
        if sshconfig.has_config():
            _import_paramiko()
            hosts = sshconfig.route(self._address)
            sock = self._dial(hosts[0], undo)
        else:
            hosts = [sshconfig.plain(self._address)]
            sock = self._dial(hosts[0], undo)
            _import_paramiko()  # takes as long as sshd needs to send its greeting
        for host, following in zip(hosts, [*hosts[1:], None], strict=True):
            transport = self._log_in(host, sock, undo)
            with self._limited(f"{host.name}: opening a channel", transport.close):
                if following is None:
                    channel = transport.open_session()
                    channel.invoke_subsystem("sftp")
                else:
                    sock = transport.open_channel(
                        "direct-tcpip", (following.name, following.port), ("127.0.0.1", 0)
                    )
        transport.set_keepalive(_KEEPALIVE)
        return _Line(channel, lambda: self._limited(f"{host.name}: the SFTP server", transport.close))

    def _dial(self, host: Host, undo: ExitStack) -> "socket":
        try:
            sock = connected(host.name, host.port, self._limit)
        except OSError as error:
            raise ConnectionError(f"{host.name}, port {host.port}: {_told(error)}") from error
        undo.callback(sock.close)
        return sock

    def _log_in(self, host: Host, sock: "socket | Channel", undo: ExitStack) -> "Transport":
        from paramiko import Transport

        known = KnownHosts(host.known_hosts)
        with self._limited(f"{host.name}: the greeting", sock.close):
            transport = Transport(sock)
        # This limit uses the wall clock: when that is set, a key would seem to be refused.
        transport.auth_timeout = None
        undo.callback(transport.close)
        with self._limited(f"{host.name}: the greeting and key exchange", transport.close):
            _prefer(transport, known.types(host.known_as))
            transport.start_client()
            key = transport.get_remote_server_key()
        known.check(host.known_as, HostKey(key.get_name(), key.asbytes()))
        self._authenticate(host, transport)
        return transport

    def _authenticate(self, host: Host, transport: "Transport") -> None:
        from paramiko import AuthenticationException

        from cronguard.store.ssh.keys import Keys

        keys, refused = Keys(host, self._warn), []
        for key in keys:
            try:
                with self._limited(f"{host.name}: the login", transport.close):
                    transport.auth_publickey(host.user, key.key)
                    if transport.is_authenticated():
                        return
                refused.append(f"{key.name} is not enough")
            except _LateError:
                raise
            except (AuthenticationException, ConnectionError) as error:
                if transport.is_active():
                    refused.append(f"{key.name} was refused")
                elif refused:  # the host accepts no further tries
                    break
                else:  # the library reports a broken connection like a refused key
                    raise ConnectionError(f"{host.name}: the login: {_told(error)}") from error
        why = "; ".join([*refused, *keys.excuses]) or "there is no key in ~/.ssh"
        raise StoreForbiddenError(
            f"cannot log in to {host.user}@{host.name}: {why}",
            f"try ssh -v {host.user}@{host.name}; under cron there is no agent, so the key must be a file without "
            "a passphrase",
        )

    def _warn(self, text: str) -> None:
        age = self._state.age("warned", text, self._clock.wall())
        if age is None or not 0 <= age < _WARN_EVERY:
            self._state.store("warned", text, text.encode())
            self._warn_now(text)

    @contextmanager
    def _limited(self, what: str, abort: Callable[[], None]) -> Iterator[None]:
        """Abort a step that takes too long. The library's own limits use the wall clock, or do not exist."""
        from paramiko import AuthenticationException, SSHException

        is_late = threading.Event()

        def end() -> None:
            is_late.set()
            abort()

        timer = threading.Timer(self._limit, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (SSHException, EOFError, OSError) as error:
            if is_late.is_set():
                raise _LateError(f"{what}: no answer within {self._limit:g}s") from error
            if isinstance(error, AuthenticationException):
                raise
            raise ConnectionError(f"{what}: {_told(error)}") from error
        finally:
            timer.cancel()


class _Line:
    """A channel's bytes, each call with a time limit."""

    def __init__(self, channel: "Channel", limited: Callable[[], AbstractContextManager[None]]) -> None:
        self._channel, self._limited = channel, limited
        self.undo = ExitStack()

    def send(self, data: bytes) -> None:
        with self._limited():
            self._channel.sendall(data)

    def receive(self) -> bytes:
        with self._limited():
            if data := self._channel.recv(65536):
                return bytes(data)
            raise EOFError("the connection was closed")

    def close(self) -> None:
        self.undo.close()


def _prefer(transport: "Transport", known: list[str]) -> None:
    """Request a key of a known type: a host with several keys would otherwise look as if its key had changed."""
    options = transport.get_security_options()
    algorithms = [a for kind in known for a in _ALGORITHMS.get(kind, (kind,)) if a in options.key_types]
    options.key_types = [*dict.fromkeys(algorithms), *(a for a in options.key_types if a not in algorithms)]


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0] or "the connection was closed"


def _import_paramiko() -> None:
    """Import paramiko without the library that it needs only for `Match exec`. This halves the import time."""
    if "paramiko" in sys.modules:
        return
    had = "invoke" in sys.modules
    if not had:
        sys.modules["invoke"] = None  # type: ignore[assignment] # makes its import fail
    try:
        import paramiko  # noqa: F401
    finally:
        if not had:
            del sys.modules["invoke"]
    # Failures raise errors; the library would print them to stderr, too.
    logger = logging.getLogger("paramiko")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
