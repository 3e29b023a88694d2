"""`redis://user@host:6379/0`, `rediss://` and `redis+sentinel://s1,s2/service/0`: hashes of a Redis, and one script.

A Redis that fails over may forget what it acknowledged. With `?replicas=N` nothing counts as published, or as read,
before N replicas have it too; without, the version is compared with the data, so that a holder whose record was
forgotten notices at its next beat, and tokens (which follow the clock) make its work refusable.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from redis import Redis
from redis import exceptions as told

from cronguard.model.job import is_name
from cronguard.store.contract import TERMS, Entry, Terms, check_data, check_key, is_key
from cronguard.store.redis.client import connect
from cronguard.store.shared.address import Address, parse_address
from cronguard.store.shared.insisting import Insistence, UnansweredError
from cronguard.store.shared.polling import poll
from cronguard.store.shared.tls import tls_context
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, ConfigError, StoreForbiddenError, StoreRefusedError
from cronguard.system.statedir import StateDir

_OPTIONS = ("password_file", "sentinel_password_file", "replicas", "prefix", "ca", "cert", "key")
_LAYOUT = "v1"

# Reads what is there; swaps if asked to. The first line makes a read a write too, one that changes nothing: a replica
# refuses it, however it came to be asked, and WAIT can wait for it. The version grows even if the key was evicted.
_SCRIPT = """
redis.call('SET', KEYS[2], '')
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local found = redis.call('HMGET', KEYS[1], 'version', 'data', 'published')
local version, data, published = found[1] or '0', found[2] or '', found[3] or '0'
local swapped = 0
if ARGV[1] and version == ARGV[1] and data == ARGV[2] then
  version = string.format('%.0f', math.max(version + 1, micros))
  data, published, swapped = ARGV[3], string.format('%.0f', micros), 1
  redis.call('HSET', KEYS[1], 'version', version, 'data', data, 'published', published)
end
return {swapped, version, data, string.format('%.0f', micros - published)}
"""
# What passes by itself: its replicas are away, it is being replaced, a script takes long. Before version 7 these are
# words within the error of our script.
_PASSING = ("NOREPLICAS", "READONLY", "UNBLOCKED", "WAIT cannot be used with replica", "BUSY")
_FULL = {
    "maxmemory": "raise its maxmemory, or remove what fills it",
    "MISCONF": "it cannot write its files: see its disk, and its log",
}
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"

_LOST = (told.ConnectionError, told.TimeoutError, told.ReadOnlyError, told.ClusterDownError, OSError)

Answer = TypeVar("Answer")


class RedisBackend:
    """A hash per entry, `<prefix>/v1/<key>`; no key expires."""

    def __init__(self, address: Address, insistence: Insistence, clock: Clock) -> None:
        """Raise ConfigError for an option that makes no sense."""
        self._address = address
        self._replicas = _count(address.options.get("replicas", "0"))
        self._top = f"{_prefix(address)}/{_LAYOUT}/"
        self._insistence = insistence
        self._clock = clock
        self._redis: Redis | None = None

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> "RedisBackend":
        """Raise ConfigError for a malformed URL."""
        is_sentinel = "+sentinel" in url.partition(":")[0]
        address = parse_address(url, 26379 if is_sentinel else 6379, _OPTIONS)
        if (
            len(address.hosts) > 1 and not is_sentinel
        ):  # in another order on another node, it would be another place
            raise ConfigError(
                f"backend: {address.where}: a Redis has one host",
                "name its Sentinels: redis+sentinel://host,host/service/0",
            )
        if address.scheme.startswith("rediss"):
            tls_context(
                address
            )  # what cannot be used is told here; the library would take it for a dead host
        hint = f"see whether it is there: redis-cli -h {address.hosts[0][0]} -p {address.hosts[0][1]} ping"
        return cls(address, Insistence(clock, terms.patience, f"Redis at {address.where}", hint), clock)

    def read(self, key: str) -> Entry:
        """Return the latest version, as the master has it, and as many replicas as were asked for."""
        _, *found = self._insistence.ask(lambda _: self._run(key))
        return _entry(key, found)

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Compare and write by the script.

        After a lost reply it is run again: if the first one was done, or will be, one of the two finds the entry
        changed, and that may be to our own data. That too is written to, so that WAIT tells of it.
        """
        check_data(data)

        def send(is_repeated: bool) -> Entry | None:
            swapped, *found = self._run(entry.key, entry.version, entry.data, data)
            now = _entry(entry.key, found)
            is_ours = is_repeated and now.version > entry.version and now.data == data
            return now if swapped or is_ours else None

        return self._insistence.ask(send)

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Walk through all keys of the database, which it shows in no order and some of them twice."""
        pattern = f"{self._top}{prefix}*"
        found = self._ask(lambda redis: set(redis.scan_iter(pattern, count=1000)))
        for name in sorted(found):
            key = name.decode(errors="replace").removeprefix(self._top)
            if is_key(key) and (entry := self.read(key)).version:
                yield entry

    def wait(self, entry: Entry, timeout: float) -> None:
        """Poll."""
        poll(self._clock, timeout, lambda: self.read(entry.key).version != entry.version)

    def now(self) -> float | None:
        """Return the server's clock."""
        seconds, micros = self._ask(lambda redis: redis.time())
        return float(seconds + micros / 1_000_000)

    def close(self) -> None:
        """Hang up."""
        if self._redis:
            self._redis.close()
            self._redis = None

    def _run(self, key: str, *arguments: Any) -> list[Any]:
        """Run the script, and wait for the replicas over the same connection: WAIT is about what that one wrote."""
        keys = [f"{self._top}{check_key(key)}", f"{self._top}touched"]

        def run(redis: Redis) -> list[Any]:
            answer: list[Any] = redis.register_script(_SCRIPT)(keys, arguments)
            if self._replicas:
                have = redis.wait(self._replicas, int(self._insistence.share * 500))
                if have < self._replicas:
                    raise UnansweredError(f"{have} of {self._replicas} replicas have it")
            return answer

        return self._told(run)

    def _ask(self, work: Callable[[Redis], Answer]) -> Answer:
        return self._insistence.ask(lambda _: self._told(work))

    def _told(self, work: Callable[[Redis], Answer]) -> Answer:
        """Do the work over one connection, and turn what the server says into errors for a person."""
        where = f"Redis at {self._address.where}"
        try:
            if self._redis is None:
                self._redis = self._connected()
            return work(self._redis)
        except UnansweredError:
            self.close()
            raise
        except (told.AuthenticationError, told.NoPermissionError) as error:
            hint = "see the user in the URL, its password_file, and the list of commands under BACKENDS in the manual"
            raise StoreForbiddenError(f"{where}: {error}", hint) from error
        except (told.RedisError, OSError) as error:
            self.close()
            if _UNTRUSTED in str(error):
                hint = "name the authority that signed its certificate: rediss://...?ca=/etc/ssl/redis-ca.pem"
                raise StoreRefusedError(f"{where}: {error}", hint) from error
            if isinstance(error, _LOST) or any(word in str(error) for word in _PASSING):
                raise UnansweredError(str(error) or type(error).__name__) from error
            if hints := [hint for word, hint in _FULL.items() if word in str(error)]:
                raise BackendError(f"{where}: {error}", hints[0]) from error
            raise StoreRefusedError(
                f"{where}: {error}",
                "is this a Redis 5 or later, not a cluster, and are these keys cronguard's?",
            ) from error

    def _connected(self) -> Redis:
        redis = connect(self._address, self._insistence.share)
        role = redis.execute_command("ROLE")[0]
        if role != b"master":
            raise UnansweredError(
                f"it is no master but a {role.decode()}: give the master, or redis+sentinel://"
            )
        info = redis.info("memory")
        if str(info.get("maxmemory_policy", "")).startswith("allkeys"):
            raise StoreRefusedError(
                f"Redis at {self._address.where}: its maxmemory-policy {info['maxmemory_policy']} may throw a held lock away",
                "set maxmemory-policy noeviction there, or use another Redis",
            )
        return redis


def _entry(key: str, found: list[Any]) -> Entry:
    version, data, age = int(found[0]), bytes(found[1]), int(found[2]) / 1_000_000
    return Entry(key, version, data, max(0.0, age) if version else None)


def _prefix(address: Address) -> str:
    prefix = address.options.get("prefix", "cronguard")
    if not is_name(prefix):
        raise ConfigError(
            f"backend: prefix {prefix!r} is not a name", "use letters, digits, '.', '_' and '-'"
        )
    return prefix


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 100:
        raise ConfigError(f"backend: replicas={text!r} is not a number of replicas")
    return int(text)
