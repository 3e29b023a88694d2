"""etcd's JSON gateway: one connection at a time, to one member after another."""

import json
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from math import inf
from typing import Any, NoReturn

from cronguard.store.shared.address import Address
from cronguard.store.shared.hangup import hung_up_after
from cronguard.store.shared.insisting import UnansweredError
from cronguard.store.shared.tls import tls_context
from cronguard.system.errors import BackendError, StoreForbiddenError, StoreRefusedError

# gRPC's codes for errors that last, whichever member is asked. All others may be gone at the next try.
_INVALID, _DENIED, _UNAUTHENTICATED = 3, 7, 16
# These last too, but have the codes of "too many requests" and "not capable", which pass.
_FULL, _NO_USERS = "database space exceeded", "authentication is not enabled"
_TOKEN_ERRORS = ("invalid auth token", "auth store is old")
_IS_IT_ETCD = "check that this is etcd 3.4 or later"
_LONGEST_LINE = 1 << 20  # bytes, of a watch: two entries of 64 KiB in base64 are far below it


class Gateway:
    """Sends requests to a cluster's members by HTTP.

    `date` is the wall clock of the last member that answered, and `answered` the time when it did.
    """

    def __init__(self, address: Address, patience: float) -> None:
        """Wait up to `patience` seconds for each answer. Raises ConfigError for certificates that cannot be used."""
        self._address = address
        self._patience = patience
        self._tls = tls_context(address) if address.scheme == "etcds" else None
        self._turn = os.getpid()  # runs start at different members
        self._connection: HTTPConnection | None = None
        self._token: str | None = None
        self.date: float | None = None
        self.answered = -inf

    def post(self, what: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the answer; raises UnansweredError if there is none that counts."""
        self._authenticate()
        answer = self._exchange("POST", f"/v3/{what}", asked)
        # Without this check, any server that answers every request would look like an empty store.
        if "header" not in answer:
            told = f"etcd at {self._address.where}: the server there is not etcd"
            raise StoreRefusedError(told, _IS_IT_ETCD)
        return answer

    def get(self, path: str) -> dict[str, Any]:
        """Return a member's answer to a request that needs no login."""
        return self._exchange("GET", path, None)

    @contextmanager
    def watch(self, key: str, timeout: float) -> Iterator[Callable[[], bool]]:
        """Watch a key from now on.

        The function that this yields waits for a change, and returns whether one came within `timeout` seconds.
        """
        self._authenticate()
        give_up_at = time.monotonic() + timeout
        patience = min(timeout, self._patience)
        connection = self._connect(patience)
        try:
            with _lost_is_unanswered(self._next), _in_time(connection, patience):
                sock = connection.sock
                response = self._send(connection, "POST", "/v3/watch", {"create_request": {"key": key}})
                _line(response)  # confirms that the watch has started

            def is_changed() -> bool:
                sock.settimeout(max(0.001, give_up_at - time.monotonic()))
                try:
                    return bool(_line(response))
                except TimeoutError:
                    return False
                except (OSError, HTTPException) as error:
                    self._next()
                    raise UnansweredError(_told(error)) from error

            yield is_changed
        finally:
            connection.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _exchange(self, method: str, path: str, asked: dict[str, Any] | None) -> dict[str, Any]:
        self._connection = self._connection or self._connect(self._patience)
        with _lost_is_unanswered(self._next), _in_time(self._connection, self._patience):
            response = self._send(self._connection, method, path, asked)
            body = response.read()
        self.answered = time.monotonic()
        self.date = _date(response)
        if response.status != 200:
            self._refused(response.status, body)
        with _lost_is_unanswered(self._next):
            answer = json.loads(body)
        return answer if isinstance(answer, dict) else {}

    def _send(
        self, connection: HTTPConnection, method: str, path: str, asked: dict[str, Any] | None
    ) -> HTTPResponse:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = self._token
        connection.request(method, path, None if asked is None else json.dumps(asked), headers)
        return connection.getresponse()

    def _connect(self, patience: float) -> HTTPConnection:
        host, port = self._address.hosts[self._turn % len(self._address.hosts)]
        if self._tls:
            return HTTPSConnection(host, port, timeout=patience, context=self._tls)
        return HTTPConnection(host, port, timeout=patience)

    def _next(self) -> None:
        """Use the next member for the next request."""
        self.close()
        self._turn += 1

    def _authenticate(self) -> None:
        if self._address.user and self._token is None:
            password = self._address.password() or ""
            asked = {"name": self._address.user, "password": password}
            self._token = self._exchange("POST", "/v3/auth/authenticate", asked).get("token", "")

    def _refused(self, status: int, body: bytes) -> NoReturn:
        """Raise a member's refusal as an error for a person, or as UnansweredError if it may pass."""
        where, (told, code) = f"etcd at {self._address.where}", _error(body)
        if any(text in told for text in _TOKEN_ERRORS):
            self._token = None  # it has expired, or the users were changed: get a new one
            raise UnansweredError(told)
        if code in (_DENIED, _UNAUTHENTICATED) or "user name" in told or "authentication failed" in told:
            hint = "check the user in the URL, its password_file, and etcdctl user get; it needs readwrite below the prefix"
            raise StoreForbiddenError(f"{where}: {told}", hint)
        if _FULL in told:
            raise BackendError(
                f"{where}: {told}",
                "compact and defragment it, then run etcdctl alarm disarm (see --auto-compaction-mode)",
            )
        if status == 404:
            raise StoreRefusedError(
                f"{where}: there is no JSON gateway",
                "etcd 3.4 or later has one unless --enable-grpc-gateway=false",
            )
        if _NO_USERS in told:
            raise StoreRefusedError(f"{where}: {told}", "remove the user from the URL")
        if code == _INVALID:
            raise StoreRefusedError(f"{where}: {told}", _IS_IT_ETCD)
        self._next()
        raise UnansweredError(told or f"HTTP status {status}")


@contextmanager
def _in_time(connection: HTTPConnection, seconds: float) -> Iterator[None]:
    """Limit an exchange over a connection to so many seconds in all. Connect first if necessary."""
    if connection.sock is None:
        connection.connect()
    with hung_up_after(connection.sock.fileno(), seconds):
        yield


@contextmanager
def _lost_is_unanswered(go_on: Callable[[], None]) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise StoreRefusedError(
            f"etcd: the server's certificate is not trusted: {error.verify_message}",
            "name the CA that signed it: etcds://...?ca=/etc/ssl/etcd-ca.pem",
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        go_on()
        raise UnansweredError(_told(error)) from error


def _told(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _line(response: HTTPResponse) -> bytes:
    line = response.readline(_LONGEST_LINE)
    if not line:
        raise HTTPException("the server ended the watch")
    return line


def _date(response: HTTPResponse) -> float | None:
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (TypeError, ValueError):
        return None


def _error(body: bytes) -> tuple[str, int]:
    try:
        answer = json.loads(body)
        return str(answer.get("message") or answer.get("error")), int(answer.get("code", 0))
    except (ValueError, AttributeError, TypeError):
        return body[:200].decode(errors="replace").strip(), 0
