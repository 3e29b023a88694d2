"""One connection to PostgreSQL at a time: statements with a time limit, and the server's errors as a person's."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from cronguard.config.sources import PASSWORD
from cronguard.store.shared.hangup import hung_up_after
from cronguard.store.shared.insisting import UnansweredError
from cronguard.store.url import without_secrets
from cronguard.system.errors import BackendError, ConfigError, StoreForbiddenError, StoreRefusedError

_FORBIDDEN = (
    "authentication failed",
    "no pg_hba.conf entry",
    "no password supplied",
    "permission denied",
    "not permitted",
)
_NOT_THERE = "does not exist"  # the database, or the user
_UNTRUSTED = ("certificate", "SSL was required", "does not support SSL")
_MADE_MEANWHILE = (errors.UniqueViolation, errors.DuplicateTable, errors.DuplicateObject)  # by another node
_PASSING = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction, *_MADE_MEANWHILE)


class NoTableError(Exception):
    """The table is not there."""


class SqlSession:
    """Statements that commit by themselves, each within `patience` seconds; a lost connection is made again."""

    def __init__(self, conninfo: dict[str, Any], patience: float) -> None:
        self._conninfo = conninfo
        self._patience = patience
        self._connection: psycopg.Connection[Any] | None = None
        self._warnings: list[str] = []
        self.where = f"PostgreSQL at {conninfo.get('host') or conninfo.get('service') or 'its usual place'}"

    @classmethod
    def of(cls, url: str, patience: float) -> "SqlSession":
        """Raise ConfigError for a malformed URL."""
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise ConfigError(
                f"backend: {without_secrets(url)!r}: {_first_line(error)}",
                "write postgres://user@host/database",
            ) from error
        return cls({**_defaults(given, patience), **given}, patience)

    def execute(self, statement: str, facts: dict[str, Any] | None = None) -> list[Any]:
        """Run one statement and return its rows.

        Raises NoTableError, UnansweredError if it may be done or not, and StoreRefusedError for what stands. A warning
        means that it is not certain to last: its wait for a standby was ended.
        """
        with self._errors_told():
            connection = self._connected()
            self._warnings.clear()
            # Not by statement_timeout: when it strikes in the wait for a standby, the server reports success all the same.
            with hung_up_after(connection.fileno(), self._patience):
                cursor = connection.execute(statement.encode(), facts)
                rows = cursor.fetchall() if cursor.description else []
            if self._warnings:
                raise UnansweredError(self._warnings[0])
            return rows

    def listen(self, seconds: float) -> bool:
        """Wait for a notification; False where none can come: a pooler shows another process's number as its own."""
        try:
            shown = {"pid": self._connected().info.backend_pid}
            if not self.execute("SELECT pg_backend_pid() = %(pid)s", shown)[0][0]:
                return False
            self.execute("LISTEN cronguard")
            list(self._connected().notifies(timeout=seconds, stop_after=1))
        except (psycopg.Error, UnansweredError, BackendError):
            self.close()
            return False
        return True

    def close(self) -> None:
        """Hang up."""
        if self._connection:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except UnansweredError:
            self.close()
            raise
        except errors.UndefinedTable as error:
            raise NoTableError from error
        except errors.InsufficientPrivilege as error:
            hint = "GRANT SELECT, INSERT, UPDATE ON public.cronguard TO ..."
            raise StoreForbiddenError(f"{self.where}: {_first_line(error)}", hint) from error
        except _PASSING as error:
            self.close()
            self._refuse_what_stands(error)
            raise UnansweredError(_first_line(error), self._doubt(error)) from error
        except psycopg.Error as error:
            raise StoreRefusedError(
                f"{self.where}: {_first_line(error)}", "is the table public.cronguard what cronguard made?"
            ) from error

    def _refuse_what_stands(self, error: psycopg.Error) -> None:
        """Raise what no other try will mend. A refused connection has no code, only words."""
        told = str(error)
        if any(text in told for text in _FORBIDDEN):
            raise self._forbidden(error) from error
        if any(text in told for text in _UNTRUSTED):
            hint = "name the authority that signed its certificate: ?sslrootcert=/etc/ssl/ca.pem (see docs/backends.md)"
            raise StoreRefusedError(f"{self.where}: {_first_line(error)}", hint) from error
        if _NOT_THERE in told:
            hint = "see the user and the database in the URL, and what there is: psql -l, and \\du in psql"
            raise StoreRefusedError(f"{self.where}: {_first_line(error)}", hint) from error

    def _doubt(self, error: psycopg.Error) -> StoreForbiddenError | None:
        """Return what it is if it lasts: the server has hung up on our password, in whatever language it speaks.

        A user with too many connections is hung up on at the same place, and that passes.
        """
        link = error.pgconn
        return self._forbidden(error) if link and link.used_password and not link.server_version else None

    def _forbidden(self, error: psycopg.Error) -> StoreForbiddenError:
        hint = (
            f"see the user in the URL, its password in ~/.pgpass or {PASSWORD}, and the server's pg_hba.conf"
        )
        return StoreForbiddenError(f"{self.where}: {_first_line(error)}", hint)

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(**self._conninfo, autocommit=True, prepare_threshold=None)
            self._connection.add_notice_handler(self._hear)
        return self._connection

    def _hear(self, notice: psycopg.errors.Diagnostic) -> None:
        is_of_old_age = (notice.source_function or "").startswith(
            "GetNew"
        )  # "must be vacuumed": no matter of ours
        if notice.severity_nonlocalized == "WARNING" and not is_of_old_age:
            self._warnings.append(notice.message_primary or "a warning")


def _defaults(given: dict[str, Any], patience: float) -> dict[str, Any]:
    """Return what the URL need not say: the one of the hosts that takes writes, limits, and TLS that verifies."""
    defaults = {
        "application_name": "cronguard",
        "client_encoding": "UTF8",  # a database without an encoding would answer bytes where text is due
        "connect_timeout": max(2, int(patience)),
        "target_session_attrs": "read-write",
        "tcp_user_timeout": int(patience * 1000),
    }
    if os.environ.get(PASSWORD) and "passfile" not in given:
        defaults["password"] = os.environ[PASSWORD]
    if "sslmode" in given or "PGSSLMODE" in os.environ:
        return defaults
    hosts = (given.get("hostaddr") or given.get("host") or os.environ.get("PGHOST") or "").split(",")
    if ("service" in given or "PGSERVICE" in os.environ) and not (any(hosts) and _are_here(hosts)):
        # The library asks these after the service file, which may say otherwise, and parameters before it.
        os.environ.update({f"PG{name.upper()}": value for name, value in _verified(given).items()})
        return defaults
    return defaults if _are_here(hosts) else defaults | _verified(given)


def _verified(given: dict[str, Any]) -> dict[str, str]:
    """Return what makes TLS verify the server."""
    verified = {"sslmode": "verify-full"}
    own = os.path.expanduser("~/.postgresql/root.crt")
    if "sslrootcert" not in given and "PGSSLROOTCERT" not in os.environ and not os.path.exists(own):
        verified["sslrootcert"] = _system_authorities()
    return verified


def _system_authorities() -> str:
    """Return the file of them; "system" lets the library look, and psycopg's own looks where no system has them."""
    import ssl  # dear, and of no use to a server on this machine

    return ssl.get_default_verify_paths().cafile or "system"


def _are_here(hosts: list[str]) -> bool:
    """Return whether all of them are this machine, as one is that has no name."""
    return all(host in ("", "localhost", "::1") or host.startswith(("/", "@", "127.")) for host in hosts)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
