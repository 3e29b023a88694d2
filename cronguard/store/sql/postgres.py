"""`postgres://user@host/database`: one row per entry, in a table that is created when it is first needed.

Each step is one statement that commits by itself, so a pooler may send each statement over a different connection.
Statements commit with synchronous_commit on, whatever the server's setting, because a commit that the server may
forget does not count.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from cronguard.store.contract import TERMS, Entry, Terms, check_data, check_key, is_key
from cronguard.store.shared.insisting import Insistence
from cronguard.store.shared.polling import poll
from cronguard.store.sql.session import NoTableError, SqlSession
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, StoreForbiddenError
from cronguard.system.statedir import StateDir

# The schema is named, because with different search_paths two users would use two tables and not see each other's
# entries.
TABLE = """
CREATE TABLE IF NOT EXISTS public.cronguard (key text COLLATE "C" PRIMARY KEY, version bigint NOT NULL,
    data bytea NOT NULL, published timestamptz NOT NULL)
"""
# These settings apply until the commit is complete. The server sends a warning if the wait for a standby was cancelled,
# and a role may be set up not to receive warnings. A statement whose client gave up must not queue behind that wait and
# keep a connection.
_DURABLY = """WITH settings AS (SELECT set_config('synchronous_commit', 'on', true) AS level,
    set_config('client_min_messages', 'warning', true) AS told,
    set_config('lock_timeout', %(lock_timeout)s, true) AS patience),
    durable AS (SELECT FROM settings WHERE level = 'on' AND told = 'warning' AND patience > ''), changed AS ("""
_TELL = ") SELECT version, pg_notify('cronguard', %(key)s) FROM changed"
_INSERT = f"""{_DURABLY} INSERT INTO public.cronguard
    SELECT %(key)s, 1, %(new)s, clock_timestamp() FROM durable
    ON CONFLICT DO NOTHING RETURNING version {_TELL}"""
# The data is compared too, because a fail-over may have lost a version that somebody had read.
_UPDATE = f"""{_DURABLY} UPDATE public.cronguard
    SET version = version + 1, data = %(new)s, published = clock_timestamp() FROM durable
    WHERE key = %(key)s AND version = %(version)s AND data = %(old)s RETURNING version {_TELL}"""
_AGE = "extract(epoch FROM clock_timestamp() - published)::float8"
_READ = f"SELECT version, data, {_AGE} FROM public.cronguard WHERE key = %(key)s"
# A version committed while a standby was away can be read, and can be gone after a fail-over. A later successful commit
# shows that the standby has both.
_CONFIRM = f"""{_DURABLY} UPDATE public.cronguard SET published = published FROM durable
    WHERE key = %(key)s RETURNING version, data, {_AGE} AS age) SELECT * FROM changed"""
_SCAN = f"""SELECT key, version, data, {_AGE} FROM public.cronguard
    WHERE key > %(after)s AND left(key, %(length)s) = %(prefix)s ORDER BY key LIMIT 200"""

Answer = TypeVar("Answer")


class PostgresBackend:
    """Rows of `public.cronguard`."""

    def __init__(self, session: SqlSession, insistence: Insistence, clock: Clock) -> None:
        self._session = session
        self._insistence = insistence
        self._clock = clock
        self._in_doubt: set[str] = set()

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> "PostgresBackend":
        """Return a backend for the URL; raises ConfigError if it is malformed."""
        session = SqlSession.of(url, Insistence.share_of(terms.patience))
        hint = f"check that it is up and not a standby: psql '{url}' -c 'SELECT pg_is_in_recovery()'"
        return cls(session, Insistence(clock, terms.patience, session.where, hint), clock)

    def make_table(self) -> None:
        """Create the table if it does not exist; raises StoreForbiddenError if this user may not create it."""
        try:
            self._session.execute(TABLE)
        except StoreForbiddenError as error:
            hint = f"as the owner of the database, run: {' '.join(TABLE.split())}; GRANT SELECT, INSERT, UPDATE ON public.cronguard TO ..."
            raise StoreForbiddenError(str(error), hint) from error

    def read(self, key: str) -> Entry:
        """Return the latest version. After a lost reply it may be ours, and then a standby must have it too."""
        statement = _CONFIRM if key in self._in_doubt else _READ
        found = self._ask(lambda: self._read(key, statement))
        self._in_doubt.discard(key)
        return found

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Insert the entry, or update it if it is unchanged.

        After a lost reply the statement is sent again. If the first one was executed, or will be, one of the two finds
        the entry changed, possibly to our own data.
        """
        facts = self._facts(entry.key, version=entry.version, old=entry.data, new=check_data(data))
        statement = _UPDATE if entry.version else _INSERT

        def send(is_repeated: bool) -> Entry | None:
            if is_repeated:
                self._in_doubt.add(entry.key)
            rows = self._in_table(statement, facts)
            if rows:
                return Entry(entry.key, rows[0][0], data, 0.0)
            found = self._read(entry.key, _CONFIRM) if is_repeated else None
            return found if found and found.version > entry.version and found.data == data else None

        try:
            answer = self._insistence.ask(send)
        except BackendError:
            self._in_doubt.add(entry.key)
            raise
        if answer:
            self._in_doubt.discard(entry.key)
        return answer

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Select one page after another, in key order."""
        facts = {"prefix": prefix, "length": len(prefix), "after": ""}
        while rows := self._ask(lambda: self._if_there(_SCAN, facts)):
            for key, version, data, age in rows:
                if is_key(key):
                    yield Entry(key, version, bytes(data), max(0.0, age))
            facts["after"] = rows[-1][0]

    def wait(self, entry: Entry, timeout: float) -> None:
        """Poll. Notifications wake it early where the connection lets them through."""
        if timeout > 0:
            poll(_Attentive(self._clock, self._session.listen), timeout, lambda: self._is_replaced(entry))

    def now(self) -> float | None:
        """Return the time of the server's clock."""
        rows = self._ask(
            lambda: self._session.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
        )
        return float(rows[0][0])

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _is_replaced(self, entry: Entry) -> bool:
        return self.read(entry.key).version != entry.version

    def _read(self, key: str, statement: str) -> Entry:
        rows = self._if_there(statement, self._facts(key))
        if not rows:
            return Entry(key, 0, b"")
        version, data, age = rows[0]
        return Entry(key, version, bytes(data), max(0.0, age))

    def _facts(self, key: str, **more: Any) -> dict[str, Any]:
        return {"key": check_key(key), "lock_timeout": f"{self._insistence.share * 500:.0f}ms", **more}

    def _if_there(self, statement: str, facts: dict[str, Any]) -> list[Any]:
        try:
            return self._session.execute(statement, facts)
        except NoTableError:
            return []

    def _in_table(self, statement: str, facts: dict[str, Any]) -> list[Any]:
        try:
            return self._session.execute(statement, facts)
        except NoTableError:
            self.make_table()
            return self._session.execute(statement, facts)

    def _ask(self, work: Callable[[], Answer]) -> Answer:
        return self._insistence.ask(lambda _: work())


class _Attentive(Clock):
    """A clock whose sleep ends when a notification arrives."""

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
