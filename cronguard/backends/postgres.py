"""`postgres://user@host/database`: one row per entry, in a table that is made when it is first needed.

Each step is one statement that commits by itself, so a pooler may hand every one of them to another connection. It
commits with synchronous_commit on, whatever the server's setting: a commit that the server may forget is none.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict

from cronguard.backend import Entry, check_data, check_key, without_secrets
from cronguard.backends.address import refuse_password
from cronguard.backends.insisting import Insistence, UnansweredError
from cronguard.backends.polling import poll
from cronguard.clock import Clock
from cronguard.errors import ConfigError, StoreForbiddenError, StoreRefusedError
from cronguard.statedir import StateDir

# Named with its schema: by their search_path two users would find two tables, and see nothing of each other.
TABLE = """
CREATE TABLE IF NOT EXISTS public.cronguard (key text COLLATE "C" PRIMARY KEY, version bigint NOT NULL,
    data bytea NOT NULL, published timestamptz NOT NULL)
"""
_DURABLY = "WITH durable AS (SELECT set_config('synchronous_commit', 'on', true) AS level), changed AS ("
_TELL = ") SELECT version, pg_notify('cronguard', %(key)s) FROM changed"
_INSERT = f"""{_DURABLY} INSERT INTO public.cronguard
    SELECT %(key)s, 1, %(new)s, clock_timestamp() FROM durable WHERE level = 'on'
    ON CONFLICT DO NOTHING RETURNING version {_TELL}"""
# The data are compared too: a server that failed over may have forgotten a version that somebody had read.
_UPDATE = f"""{_DURABLY} UPDATE public.cronguard
    SET version = version + 1, data = %(new)s, published = clock_timestamp() FROM durable
    WHERE level = 'on' AND key = %(key)s AND version = %(version)s AND data = %(old)s RETURNING version {_TELL}"""
_AGE = "extract(epoch FROM clock_timestamp() - published)::float8"
_READ = f"SELECT version, data, {_AGE} FROM public.cronguard WHERE key = %(key)s"
# What was committed while a standby was away can be seen, and be gone after a fail-over. A commit after it tells that
# the standby has both.
_CONFIRM = f"""{_DURABLY} UPDATE public.cronguard SET published = published FROM durable
    WHERE level = 'on' AND key = %(key)s RETURNING version, data, {_AGE} AS age) SELECT * FROM changed"""
_SCAN = f"""SELECT key, version, data, {_AGE} FROM public.cronguard
    WHERE key > %(after)s AND left(key, %(length)s) = %(prefix)s ORDER BY key LIMIT 200"""

_FORBIDDEN = ("authentication failed", "no pg_hba.conf entry", "no password supplied", "permission denied")
_UNTRUSTED = ("certificate", "SSL was required", "does not support SSL")

Answer = TypeVar("Answer")


class PostgresBackend:
    """Rows of `public.cronguard`."""

    def __init__(self, conninfo: dict[str, Any], insistence: Insistence, clock: Clock) -> None:
        self._conninfo = conninfo
        self._insistence = insistence
        self._clock = clock
        self._connection: psycopg.Connection[Any] | None = None
        self._warnings: list[str] = []
        self._in_doubt: set[str] = set()

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir, timeout: float = 30.0) -> "PostgresBackend":
        """Raise ConfigError for a malformed URL or a password in it."""
        refuse_password(url)
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise ConfigError(
                f"backend: {without_secrets(url)!r}: {_first_line(error)}",
                "write postgres://user@host/database",
            ) from error
        where = f"PostgreSQL at {given.get('host') or given.get('service') or 'its usual place'}"
        hint = f"see whether it is there, and not a standby: psql '{url}' -c 'SELECT pg_is_in_recovery()'"
        insistence = Insistence(clock, timeout, where, hint)
        return cls({**_defaults(given, insistence.share), **given}, insistence, clock)

    def make_table(self) -> None:
        """Make the table, if it is not there and this user may."""
        with suppress(errors.UniqueViolation, errors.DuplicateTable, errors.DuplicateObject):
            self._execute(TABLE)  # another node is making it

    def read(self, key: str) -> Entry:
        """Return the latest version; one that may be ours, after a lost reply, only if a standby has it too."""
        statement = _CONFIRM if key in self._in_doubt else _READ
        found = self._ask(lambda: self._read(key, statement))
        self._in_doubt.discard(key)
        return found

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Insert, or update what is unchanged.

        After a lost reply this is done again: if the first one was done, or will be, one of the two finds the entry
        changed, and that may be to our own data.
        """
        facts = {
            "key": check_key(entry.key),
            "version": entry.version,
            "old": entry.data,
            "new": check_data(data),
        }
        statement = _UPDATE if entry.version else _INSERT

        def send(is_repeated: bool) -> Entry | None:
            self._in_doubt.add(entry.key)
            rows = self._in_table(lambda: self._execute(statement, facts))
            if rows:
                return Entry(entry.key, rows[0][0], data, 0.0)
            found = self._read(entry.key, _CONFIRM) if is_repeated else None
            return found if found and found.version > entry.version and found.data == data else None

        answer = self._insistence.ask(lambda is_repeated: self._told(lambda: send(is_repeated)))
        self._in_doubt.discard(entry.key)
        return answer

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Select a page after the other, in the order of the keys."""
        facts = {"prefix": prefix, "length": len(prefix), "after": ""}
        while rows := self._ask(lambda: self._if_there(_SCAN, facts)):
            for key, version, data, age in rows:
                yield Entry(key, version, bytes(data), max(0.0, age))
            facts["after"] = rows[-1][0]

    def wait(self, entry: Entry, timeout: float) -> None:
        """Poll, and be woken by notifications where the connection lets them through."""
        if timeout > 0:
            poll(_Attentive(self._clock, self._listen), timeout, lambda: self._is_replaced(entry))

    def now(self) -> float | None:
        """Return the server's clock."""
        rows = self._ask(lambda: self._execute("SELECT extract(epoch FROM clock_timestamp())::float8"))
        return float(rows[0][0])

    def close(self) -> None:
        """Hang up."""
        if self._connection:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None

    def _is_replaced(self, entry: Entry) -> bool:
        return self.read(entry.key).version != entry.version

    def _read(self, key: str, statement: str) -> Entry:
        rows = self._if_there(statement, {"key": check_key(key)})
        if not rows:
            return Entry(key, 0, b"")
        version, data, age = rows[0]
        return Entry(key, version, bytes(data), max(0.0, age))

    def _if_there(self, statement: str, facts: dict[str, Any]) -> list[Any]:
        try:
            return self._execute(statement, facts)
        except errors.UndefinedTable:
            return []

    def _in_table(self, work: Callable[[], Answer]) -> Answer:
        try:
            return work()
        except errors.UndefinedTable:
            self.make_table()
            return work()

    def _execute(self, statement: str, facts: dict[str, Any] | None = None) -> list[Any]:
        """Run one statement. A warning with it means that it is not certain to last: its wait for a standby was ended."""
        connection = self._connected()
        self._warnings.clear()
        with _hung_up_after(connection, self._insistence.share):
            cursor = connection.execute(statement.encode(), facts)
            rows = cursor.fetchall() if cursor.description else []
        if self._warnings:
            raise UnansweredError(self._warnings[0])
        return rows

    def _listen(self, seconds: float) -> bool:
        """Wait for a notification; False where none can come: a pooler shows another process's number as its own."""
        try:
            shown = {"pid": self._connected().info.backend_pid}
            if not self._execute("SELECT pg_backend_pid() = %(pid)s", shown)[0][0]:
                return False
            self._execute("LISTEN cronguard")
            list(self._connected().notifies(timeout=seconds, stop_after=1))
        except (psycopg.Error, UnansweredError):
            self.close()
            return False
        return True

    def _ask(self, work: Callable[[], Answer]) -> Answer:
        return self._insistence.ask(lambda _: self._told(work))

    def _told(self, work: Callable[[], Answer]) -> Answer:
        """Do the work, and turn what the server says into errors for a person."""
        where = f"PostgreSQL at {self._conninfo.get('host') or 'its usual place'}"
        try:
            return work()
        except UnansweredError:
            self.close()
            raise
        except (errors.InsufficientPrivilege, errors.UndefinedTable) as error:
            hint = f"as the owner of the database: {' '.join(TABLE.split())}; GRANT SELECT, INSERT, UPDATE ON public.cronguard TO ..."
            raise StoreForbiddenError(f"{where}: {_first_line(error)}", hint) from error
        except (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction) as error:
            self.close()
            told = str(error)
            if any(text in told for text in _FORBIDDEN):
                hint = "see the user in the URL, its password in ~/.pgpass, and the server's pg_hba.conf"
                raise StoreForbiddenError(f"{where}: {_first_line(error)}", hint) from error
            if any(text in told for text in _UNTRUSTED):
                hint = "name the authority that signed its certificate: ?sslrootcert=/etc/ssl/ca.pem (see BACKENDS in the manual)"
                raise StoreRefusedError(f"{where}: {_first_line(error)}", hint) from error
            raise UnansweredError(_first_line(error)) from error
        except psycopg.Error as error:
            raise StoreRefusedError(
                f"{where}: {_first_line(error)}", "is the table public.cronguard what cronguard made?"
            ) from error

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = psycopg.connect(**self._conninfo, autocommit=True, prepare_threshold=None)
            self._connection.add_notice_handler(self._hear)
        return self._connection

    def _hear(self, notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self._warnings.append(notice.message_primary or "a warning")


class _Attentive(Clock):
    """A clock whose sleep ends when there is news."""

    def __init__(self, clock: Clock, listen: Callable[[float], bool]) -> None:
        self._clock = clock
        self._listen = listen
        self._is_heard = True

    def boot(self) -> float:
        return self._clock.boot()

    def sleep(self, seconds: float) -> None:
        self._is_heard = self._is_heard and self._listen(seconds)
        if not self._is_heard:
            self._clock.sleep(seconds)


@contextmanager
def _hung_up_after(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """End the connection if the statement takes longer.

    Not by statement_timeout: when it strikes in the wait for a standby, the server reports success all the same.
    """
    with socket.socket(fileno=os.dup(connection.fileno())) as sock:

        def hang_up() -> None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(seconds, hang_up)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _defaults(given: dict[str, Any], patience: float) -> dict[str, Any]:
    """Return what the URL need not say: the one of the hosts that takes writes, limits, and TLS that verifies."""
    defaults = {
        "application_name": "cronguard",
        "connect_timeout": max(2, int(patience)),
        "target_session_attrs": "read-write",
        "tcp_user_timeout": int(patience * 1000),
    }
    hosts = (given.get("hostaddr") or given.get("host") or os.environ.get("PGHOST") or "").split(",")
    is_said = "service" in given or "sslmode" in given or "PGSSLMODE" in os.environ
    if not is_said and not all(map(_is_this_machine, hosts)):
        defaults["sslmode"] = "verify-full"
        own = os.path.expanduser("~/.postgresql/root.crt")
        if "sslrootcert" not in given and "PGSSLROOTCERT" not in os.environ and not os.path.exists(own):
            defaults["sslrootcert"] = "system"
    return defaults


def _is_this_machine(host: str) -> bool:
    return host in ("", "localhost", "::1") or host.startswith(("/", "@", "127."))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
