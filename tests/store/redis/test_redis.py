"""What Redis adds to the contract: replicas, memory, keys that vanish."""

import os
from unittest.mock import Mock

import pytest
import session
from redis.exceptions import ResponseError
from redis_servers import Redis
from servers import wait_for
from stores import KEY, STORES, publish

from cronguard.store.contract import Terms, open_backend
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, ConfigError, StoreRefusedError
from cronguard.system.statedir import StateDir

pytestmark = pytest.mark.engine


@pytest.fixture
def store(place):
    return STORES["redis"](place)


@pytest.fixture
def backend(store):
    return store.open()


@pytest.fixture
def pair():
    with Redis(replicas=1) as servers:
        yield servers


def opened(url, place, timeout=6.0):
    return open_backend(url, Clock(), StateDir(place, "web1"), Terms(timeout))


def tell(*words, servers=None, number=0):
    servers = servers or session.redis()
    return servers.ask(servers.ports[number], *words)


def test_a_policy_that_evicts_keys_is_refused(backend):
    tell("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(StoreRefusedError, match="allkeys-lru may evict a held lock"):
            backend.read(KEY)
    finally:
        tell("CONFIG", "SET", "maxmemory-policy", "noeviction")


def test_a_policy_that_keeps_keys_without_an_expiry_is_fine(backend, store):
    tell("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    try:
        assert publish(backend)
    finally:
        tell("CONFIG", "SET", "maxmemory-policy", "noeviction")
    prefix = store.url.rpartition("=")[2]
    assert tell("TTL", f"{prefix}/v1/{KEY}").strip() == ":-1"


def test_a_full_memory_is_an_error_that_names_it(backend):
    entry = publish(backend)
    tell("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(BackendError, match="maxmemory"):
            backend.swap(entry, b"more")
    finally:
        tell("CONFIG", "SET", "maxmemory", "0")


def test_a_vanished_entry_is_lost_to_its_holder_and_its_versions_keep_growing(backend, store):
    entry = publish(backend, b"held")
    tell("DEL", f"{store.url.rpartition('=')[2]}/v1/{KEY}")
    assert backend.swap(entry, b"renewed") is None
    assert publish(backend, b"anew").version > entry.version


def test_a_version_that_the_server_lost_does_not_replace_its_successor(backend, store):
    """A fail-over may undo the last swap; another one may then get the same version."""
    entry = publish(backend, b"forgotten")
    tell("HSET", f"{store.url.rpartition('=')[2]}/v1/{KEY}", "data", "successor")
    assert backend.swap(entry, b"renewed") is None


def test_a_key_of_other_software_is_refused(backend, store):
    tell("SET", f"{store.url.rpartition('=')[2]}/v1/{KEY}", "theirs")
    with pytest.raises(StoreRefusedError):
        backend.read(KEY)


def test_a_disk_that_accepts_no_writes_is_an_error_that_may_pass(place):
    with Redis("--enable-protected-configs", "yes") as servers:
        backend = opened(servers.url(), place, 2.0)
        entry = publish(backend)
        os.mkdir(f"{place}/full")
        tell("CONFIG", "SET", "dir", f"{place}/full", servers=servers)
        os.rmdir(f"{place}/full")
        tell("CONFIG", "SET", "save", '"3600 1"', servers=servers)
        tell("BGSAVE", servers=servers)
        wait_for(lambda: "bgsave_status:err" in tell("INFO", "persistence", servers=servers), "the failure")
        with pytest.raises(BackendError, match="MISCONF") as caught:
            backend.swap(entry, b"more")
        assert (caught.value.status, "disk" in caught.value.hint) == (69, True)


SCRIPT = "Error running script (call to f_e68): @user_script:2: @user_script: 2: "


@pytest.mark.parametrize(
    "said",
    [
        f"{SCRIPT}-READONLY You can't write against a read only replica.",
        f"{SCRIPT}-NOREPLICAS Not enough good replicas to write.",
        "WAIT cannot be used with replica instances.",
    ],
)
def test_errors_of_a_fail_over_are_tried_again(place, said):
    """Before version 7, an error inside a script is only part of the text of the script's error."""
    backend, answers = opened("redis://127.0.0.1", place), [ResponseError(said), "answer"]

    def work(redis):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ask(_):
        backend._redis = Mock()
        return backend._told(work)

    assert backend._insistence.ask(ask) == "answer"


def test_keys_that_cronguard_did_not_create_are_not_shown(backend, store):
    publish(backend)
    for odd in ("lease/a", "lease/a/b/c", "lease/a/.b"):
        tell("SET", f"{store.url.rpartition('=')[2]}/v1/{odd}", "theirs")
    assert [entry.key for entry in backend.scan("lease/")] == [KEY]


def test_two_hosts_without_sentinels_are_refused(place):
    with pytest.raises(ConfigError, match="one host") as caught:
        opened("redis://h1,h2/0", place)
    assert "redis+sentinel://" in caught.value.hint


def test_a_replica_is_not_read_from(pair, place):
    publish(opened(pair.url(0), place))
    with pytest.raises(BackendError, match="not a master but a slave"):
        opened(pair.url(1), place, 2.0).read(KEY)


def test_a_master_that_became_a_replica_is_not_read_from_over_an_old_connection(pair, place):
    backend = opened(pair.url(1), place, 2.0)
    tell("REPLICAOF", "NO", "ONE", servers=pair, number=1)
    publish(backend, b"one")
    tell("REPLICAOF", "127.0.0.1", str(pair.ports[0]), servers=pair, number=1)
    with pytest.raises(BackendError):
        backend.read(KEY)


def test_data_that_the_replicas_do_not_have_is_neither_published_nor_read_back(pair, place):
    backend = opened(pair.url(0, replicas=1), place)
    entry = publish(backend, b"before")
    pair.servers[1].pause()
    for work in (lambda: backend.swap(entry, b"mine"), lambda: backend.read(KEY)):
        with pytest.raises(BackendError, match="0 of 1 replicas"):
            work()
    pair.servers[1].resume()
    wait_for(lambda: backend.read(KEY).data == b"mine", "the replica")


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_replaced_master_may_acknowledge_with_a_replica_that_still_follows_it(place, replicas):
    """It may if the URL requires fewer than all replicas, as docs/backends.md says; with all of them it cannot."""
    with Redis(replicas=2) as servers:
        publish(opened(servers.url(0, replicas=2), place), b"before")
        backend = opened(servers.url(0, replicas=replicas), place)
        entry = backend.read(KEY)
        tell("REPLICAOF", "NO", "ONE", servers=servers, number=1)
        if replicas == 2:
            with pytest.raises(BackendError, match="1 of 2 replicas"):
                backend.swap(entry, b"mine")
        else:
            assert backend.swap(entry, b"mine")
        assert opened(servers.url(1), place).read(KEY).data == b"before"


def test_without_sentinels_that_know_it_there_is_no_master(place):
    with Redis(sentinels=1) as servers:
        url = servers.sentinel_url().replace("/cronguard/", "/nobody/")
        with pytest.raises(BackendError, match="nobody"):
            opened(url, place, 2.0).read(KEY)
        assert publish(opened(servers.sentinel_url(), place))


@pytest.mark.parametrize("wrong", ["replicas=many", "prefix=a/b", "replica=1"])
def test_invalid_options_are_named(place, wrong):
    with pytest.raises(ConfigError, match=wrong.partition("=")[0]):
        opened(f"redis://127.0.0.1/0?{wrong}", place)
