"""One connection to PostgreSQL at a time: statements with a time limit, and the server's errors for a person."""

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
    """The table does not exist."""


class SqlSession:
    """Statements that commit by themselves, each within `patience` seconds. It reconnects after a lost connection."""

    def __init__(self, conninfo: dict[str, Any], patience: float) -> None:
        self._conninfo = conninfo
        self._patience = patience
        self._connection: psycopg.Connection[Any] | None = None
        self._warnings: list[str] = []
        self.where = (
            f"PostgreSQL at {conninfo.get('host') or conninfo.get('service') or 'its default address'}"
        )

    @classmethod
    def of(cls, url: str, patience: float) -> "SqlSession":
        """Return a session for the URL; raises ConfigError if it is malformed."""
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

        Raises NoTableError, UnansweredError if the statement may or may not have been executed, and StoreRefusedError
        for an error that will not pass. A warning means that the commit may not last, because its wait for a standby
        was cancelled.
        """
        with self._errors_told():
            connection = self._connected()
            self._warnings.clear()
            # Not statement_timeout: if it fires during the wait for a standby, the server still reports success.
            with hung_up_after(connection.fileno(), self._patience):
                cursor = connection.execute(statement.encode(), facts)
                rows = cursor.fetchall() if cursor.description else []
            if self._warnings:
                raise UnansweredError(self._warnings[0])
            return rows

    def listen(self, seconds: float) -> bool:
        """Wait for a notification; return False if none can arrive.

        None can arrive behind a pooler, which shows a PID that is not the server process's.
        """
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
        """Close the connection."""
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
                f"{self.where}: {_first_line(error)}",
                "check that cronguard created the table public.cronguard",
            ) from error

    def _refuse_what_stands(self, error: psycopg.Error) -> None:
        """Raise errors that another try will not fix. A refused connection has no error code, only text."""
        told = str(error)
        if any(text in told for text in _FORBIDDEN):
            raise self._forbidden(error) from error
        if any(text in told for text in _UNTRUSTED):
            hint = (
                "name the CA that signed its certificate: ?sslrootcert=/etc/ssl/ca.pem (see docs/backends.md)"
            )
            raise StoreRefusedError(f"{self.where}: {_first_line(error)}", hint) from error
        if _NOT_THERE in told:
            hint = "check the user and the database in the URL; to list those that exist: psql -l, and \\du in psql"
            raise StoreRefusedError(f"{self.where}: {_first_line(error)}", hint) from error

    def _doubt(self, error: psycopg.Error) -> StoreForbiddenError | None:
        """Return the error to raise if this lasts: the server disconnected after our password.

        This is recognised without the error's text, which may be in any language. A user with too many connections is
        disconnected at the same point, and that passes.
        """
        link = error.pgconn
        return self._forbidden(error) if link and link.used_password and not link.server_version else None

    def _forbidden(self, error: psycopg.Error) -> StoreForbiddenError:
        hint = f"check the user in the URL, its password in ~/.pgpass or {PASSWORD}, and the server's pg_hba.conf"
        return StoreForbiddenError(f"{self.where}: {_first_line(error)}", hint)

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(**self._conninfo, autocommit=True, prepare_threshold=None)
            self._connection.add_notice_handler(self._hear)
        return self._connection

    def _hear(self, notice: psycopg.errors.Diagnostic) -> None:
        # The warning "must be vacuumed" does not concern us.
        is_of_old_age = (notice.source_function or "").startswith("GetNew")
        if notice.severity_nonlocalized == "WARNING" and not is_of_old_age:
            self._warnings.append(notice.message_primary or "a warning")


def _defaults(given: dict[str, Any], patience: float) -> dict[str, Any]:
    """Return the defaults for a URL: the host that accepts writes, time limits, and TLS that verifies the server."""
    defaults = {
        "application_name": "cronguard",
        "client_encoding": "UTF8",  # a database without an encoding would return bytes instead of text
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
        # The library prefers the service file to these variables, so that file may still say otherwise. Parameters
        # would take precedence over it.
        os.environ.update({f"PG{name.upper()}": value for name, value in _verified(given).items()})
        return defaults
    return defaults if _are_here(hosts) else defaults | _verified(given)


def _verified(given: dict[str, Any]) -> dict[str, str]:
    """Return the parameters that make TLS verify the server."""
    verified = {"sslmode": "verify-full"}
    own = os.path.expanduser("~/.postgresql/root.crt")
    if "sslrootcert" not in given and "PGSSLROOTCERT" not in os.environ and not os.path.exists(own):
        verified["sslrootcert"] = _system_authorities()
    return verified


def _system_authorities() -> str:
    """Return the file of the system's CAs, or "system" if there is none.

    With "system" the library looks for the file itself, but psycopg's own library looks where no system has it.
    """
    import ssl  # expensive, and not needed for a server on this machine

    return ssl.get_default_verify_paths().cafile or "system"


def _are_here(hosts: list[str]) -> bool:
    """Return whether all hosts are this machine. A host without a name is this machine."""
    return all(host in ("", "localhost", "::1") or host.startswith(("/", "@", "127.")) for host in hosts)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
