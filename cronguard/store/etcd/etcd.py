"""`etcd://h1:2379,h2:2379/prefix`: keys of an etcd cluster, through the JSON gateway that every etcd (3.4+) has.

A version is the key's mod_revision, which no other change in the cluster shares. So a key that was deleted and written
again is never mistaken for the old one. cronguard does not use etcd's own leases. Every read goes through the quorum.
"""

import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any

from cronguard.store.contract import TERMS, Entry, Terms, check_data, check_key, is_key
from cronguard.store.etcd.gateway import Gateway
from cronguard.store.shared.address import parse_address
from cronguard.store.shared.insisting import Insistence, UnansweredError
from cronguard.system.clock import Clock
from cronguard.system.statedir import StateDir

_OPTIONS = ("password_file", "ca", "cert", "key")
_LAYOUT = "v1"
# Seconds. A claim asks for the time right after it has read; a machine is not suspended in between.
_FRESH = 5.0
_PAGE = 200  # entries per answer: with 64 KiB each, they stay far below what a gateway will send


class EtcdBackend:
    """Keys below a prefix."""

    def __init__(self, gateway: Gateway, prefix: str, insistence: Insistence, clock: Clock) -> None:
        self._gateway = gateway
        self._top = f"{prefix.strip('/') or 'cronguard'}/{_LAYOUT}/"
        self._insistence = insistence
        self._clock = clock

    @classmethod
    def open(cls, url: str, clock: Clock, state: StateDir, terms: Terms = TERMS) -> "EtcdBackend":
        """Return a backend for the URL; raises ConfigError if it is malformed or its certificates cannot be used."""
        address = parse_address(url, 2379, _OPTIONS)
        hint = "check that a majority of its members is up: etcdctl endpoint status --cluster"
        insistence = Insistence(clock, terms.patience, f"etcd at {address.where}", hint)
        return cls(Gateway(address, insistence.share), address.path, insistence, clock)

    def read(self, key: str) -> Entry:
        """Return the latest version that a majority of the members has."""
        found = self._ask("kv/range", {"key": self._name(key)})
        return _latest(key, found.get("kvs"))

    def swap(self, entry: Entry, data: bytes) -> Entry | None:
        """Compare and put in one transaction.

        After a lost reply the transaction is sent again. If the first one was executed, or will be, one of the two
        finds the key changed. It then returns the current value, possibly our own.
        """
        name = self._name(entry.key)
        transaction = {
            "compare": _unchanged(name, entry),
            "success": [{"request_put": {"key": name, "value": _encoded(check_data(data))}}],
            "failure": [{"request_range": {"key": name}}],
        }

        def send(is_repeated: bool) -> Entry | None:
            answer = self._gateway.post("kv/txn", transaction)
            if answer.get("succeeded"):
                return Entry(entry.key, int(answer["header"]["revision"]), data)
            found = _latest(entry.key, answer["responses"][0]["response_range"].get("kvs"))
            return found if is_repeated and found.version > entry.version and found.data == data else None

        return self._insistence.ask(send)

    def scan(self, prefix: str) -> Iterator[Entry]:
        """Request one page of keys after another."""
        start, end = f"{self._top}{prefix}".encode(), _after(f"{self._top}{prefix}".encode())
        while True:
            asked = {"key": _encoded(start), "range_end": _encoded(end), "limit": _PAGE}
            found = self._ask("kv/range", asked).get("kvs", [])
            for kv in found:
                key = b64decode(kv["key"]).decode(errors="replace").removeprefix(self._top)
                if is_key(key):
                    yield _latest(key, [kv])
            if len(found) < _PAGE:
                return
            start = b64decode(found[-1]["key"]) + b"\0"

    def wait(self, entry: Entry, timeout: float) -> None:
        """Watch the key. A read after the watch has started finds any earlier change."""
        give_up_at = self._clock.boot() + timeout
        while (left := give_up_at - self._clock.boot()) > 0:
            try:
                with self._gateway.watch(self._name(entry.key), left) as is_changed:
                    if self.read(entry.key).version != entry.version or is_changed():
                        return
            except UnansweredError:  # that member is gone: watch through another
                self._clock.sleep(min(0.1, left))

    def now(self) -> float | None:
        """Return the time of a member's clock, from its last answer if that is recent. It counts whole seconds."""
        if time.monotonic() - self._gateway.answered > _FRESH:
            self._insistence.ask(lambda _: self._gateway.get("/version"))
        since = time.monotonic() - self._gateway.answered
        return None if self._gateway.date is None else self._gateway.date + 0.5 + since

    def close(self) -> None:
        """Close the connection."""
        self._gateway.close()

    def _ask(self, what: str, asked: dict[str, Any]) -> dict[str, Any]:
        return self._insistence.ask(lambda _: self._gateway.post(what, asked))

    def _name(self, key: str) -> str:
        return _encoded(f"{self._top}{check_key(key)}".encode())


def _unchanged(name: str, entry: Entry) -> list[dict[str, Any]]:
    """Return the conditions for the swap: the same revision and the same data.

    The data is compared too, because a cluster restored from a backup counts revisions from the beginning again.
    """
    compare: list[dict[str, Any]] = [{"key": name, "target": "MOD", "mod_revision": entry.version}]
    if entry.version:
        compare.append({"key": name, "target": "VALUE", "value": _encoded(entry.data)})
    return compare


def _latest(key: str, kvs: list[dict[str, str]] | None) -> Entry:
    if not kvs:
        return Entry(key, 0, b"")
    return Entry(key, int(kvs[0]["mod_revision"]), b64decode(kvs[0].get("value", "")))


def _after(prefix: bytes) -> bytes:
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _encoded(data: bytes) -> str:
    return b64encode(data).decode()
