"""`redis://user@host:6379/0`, `rediss://` and `redis+sentinel://s1,s2/service/0`: hashes in Redis, and one script.

A Redis that fails over may lose what it acknowledged. With `?replicas=N`, nothing counts as published or as read
before N replicas have it too. Without it, the version is compared together with the data, so a holder whose record was
lost notices at its next heartbeat. Its work can then be refused by its token, because tokens follow the clock.
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

# Reads the entry, and swaps it if requested. The first line makes even a read a write, which changes nothing: a replica
# refuses it, however the request got there, and WAIT can wait for it. The version grows even if the key was evicted.
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
# Errors that pass by themselves: the replicas are away, the master is being replaced, a script takes long. Before
# version 7, these are words within the error of our script.
_PASSING = ("NOREPLICAS", "READONLY", "UNBLOCKED", "WAIT cannot be used with replica", "BUSY")
_FULL = {
    "maxmemory": "raise its maxmemory, or delete what fills it",
    "MISCONF": "it cannot write its files: check its disk and its log",
}
_UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"

_LOST = (told.ConnectionError, told.TimeoutError, told.ReadOnlyError, told.ClusterDownError, OSError)

Answer = TypeVar("Answer")


class RedisBackend:
    """One hash per entry, `<prefix>/v1/<key>`. Keys never expire."""

    def __init__(self, address: Address, insistence: Insistence, clock: Clock) -> None:
        """Raise ConfigError for an option with an invalid value."""
        self._address = address
        self._replicas = _count(address.options.get("replicas", "0"))
        self._top = f"{_prefix(address)}/{_LAYOUT}/"
        self._insistence = insistence
        self._clock = clock
        self._redis: Redis | None = None

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> "RedisBackend":
        """Return a backend for the URL; raises ConfigError if it is malformed or its certificates cannot be used."""
        is_sentinel = "+sentinel" in url.partition(":")[0]
        address = parse_address(url, 26379 if is_sentinel else 6379, _OPTIONS)
        # Hosts in another order on another node would be another store.
        if len(address.hosts) > 1 and not is_sentinel:
            raise ConfigError(
                f"backend: {address.where}: a Redis URL takes one host",
                "to name Sentinels, write redis+sentinel://host,host/service/0",
            )
        # This reports certificates that cannot be used; the library would report a dead host.
        if address.scheme.startswith("rediss"):
            tls_context(address)
        hint = f"check that it is up: redis-cli -h {address.hosts[0][0]} -p {address.hosts[0][1]} ping"
        return cls(address, Insistence(clock, terms.patience, f"Redis at {address.where}", hint), clock)

    def read(self, key: str) -> Entry:
        """Return the latest version that the master has, once as many replicas have it as the URL requires."""
        _, *found = self._insistence.ask(lambda _: self._run(key))
        return _entry(key, found)

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Compare and write with the script.

        After a lost reply the script runs again. If the first run was executed, or will be, one of the two finds the
        entry changed, possibly to our own data. That run writes too, so WAIT covers it.
        """
        check_data(data)

        def send(is_repeated: bool) -> Entry | None:
            swapped, *found = self._run(entry.key, entry.version, entry.data, data)
            now = _entry(entry.key, found)
            is_ours = is_repeated and now.version > entry.version and now.data == data
            return now if swapped or is_ours else None

        return self._insistence.ask(send)

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Walk through all keys of the database. Redis lists them in no order, and some of them twice."""
        pattern = f"{self._top}{prefix}*"
        found = self._ask(lambda redis: set(redis.scan_iter(pattern, count=1000)))
        for name in sorted(found):
            key = name.decode(errors="replace").removeprefix(self._top)
            if is_key(key) and (entry := self.read(key)).version:
                yield entry

    def wait(self, entry: Entry, timeout: float) -> None:
        """Poll the entry."""
        poll(self._clock, timeout, lambda: self.read(entry.key).version != entry.version)

    def now(self) -> float | None:
        """Return the time of the server's clock."""
        seconds, micros = self._ask(lambda redis: redis.time())
        return float(seconds + micros / 1_000_000)

    def close(self) -> None:
        """Close the connection."""
        if self._redis:
            self._redis.close()
            self._redis = None

    def _run(self, key: str, *arguments: Any) -> list[Any]:
        """Run the script and wait for the replicas on the same connection: WAIT covers what that connection wrote."""
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
        """Do the work over one connection, and turn the server's errors into errors for a person."""
        where = f"Redis at {self._address.where}"
        try:
            if self._redis is None:
                self._redis = self._connected()
            return work(self._redis)
        except UnansweredError:
            self.close()
            raise
        except (told.AuthenticationError, told.NoPermissionError) as error:
            hint = "check the user in the URL, its password_file, and the list of commands under BACKENDS in the manual"
            raise StoreForbiddenError(f"{where}: {error}", hint) from error
        except (told.RedisError, OSError) as error:
            self.close()
            if _UNTRUSTED in str(error):
                hint = "name the CA that signed its certificate: rediss://...?ca=/etc/ssl/redis-ca.pem"
                raise StoreRefusedError(f"{where}: {error}", hint) from error
            if isinstance(error, _LOST) or any(word in str(error) for word in _PASSING):
                raise UnansweredError(str(error) or type(error).__name__) from error
            if hints := [hint for word, hint in _FULL.items() if word in str(error)]:
                raise BackendError(f"{where}: {error}", hints[0]) from error
            raise StoreRefusedError(
                f"{where}: {error}",
                "check that this is Redis 5 or later, that it is not a cluster, and that these keys are cronguard's",
            ) from error

    def _connected(self) -> Redis:
        redis = connect(self._address, self._insistence.share)
        role = redis.execute_command("ROLE")[0]
        if role != b"master":
            raise UnansweredError(
                f"it is not a master but a {role.decode()}: name the master, or use redis+sentinel://"
            )
        info = redis.info("memory")
        if str(info.get("maxmemory_policy", "")).startswith("allkeys"):
            raise StoreRefusedError(
                f"Redis at {self._address.where}: its maxmemory-policy {info['maxmemory_policy']} may evict a held lock",
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
            f"backend: prefix {prefix!r} is not a valid name", "use letters, digits, '.', '_' and '-'"
        )
    return prefix


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > 100:
        raise ConfigError(f"backend: replicas={text!r} is not a number of replicas")
    return int(text)
