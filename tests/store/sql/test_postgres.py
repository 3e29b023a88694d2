"""What PostgreSQL adds to the contract: durable commits, poolers, the table."""

import threading

import pytest
import session
from postgres_servers import ME, Postgres
from servers import LIMIT, Servers, free_ports, program, wait_for
from stores import KEY, STORES, publish

from cronguard.store.contract import Terms, open_backend
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, StoreRefusedError
from cronguard.system.statedir import StateDir

pytestmark = pytest.mark.engine


@pytest.fixture
def store(place):
    return STORES["postgres"](place)


@pytest.fixture
def pair(place):
    """A primary whose setting is not to wait for its synchronous standby."""
    with Postgres("-c", "synchronous_commit=off", standby=True) as servers:
        backend = open_backend(servers.url(), Clock(), StateDir(place, "web1"), Terms(6.0))
        yield servers, backend, publish(backend, b"before")


WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


def test_data_that_the_standby_does_not_have_is_not_published_whatever_the_servers_setting(pair):
    servers, backend, entry = pair
    servers.servers[1].pause()
    with pytest.raises(BackendError):
        backend.swap(entry, b"mine")
    servers.servers[1].resume()
    assert backend.read(KEY).data in (b"before", b"mine")
    assert publish(backend, b"after")


def test_a_commit_whose_wait_for_the_standby_was_cancelled_counts_once_the_standby_has_it(pair):
    """The server reports success, with a warning, for a commit that a fail-over would undo."""
    servers, backend, entry = pair
    believe_no_cancelled_wait(servers, backend, entry)


def believe_no_cancelled_wait(servers, backend, entry):
    servers.servers[1].pause()
    answers = []
    writer = threading.Thread(target=lambda: answers.append(backend.swap(entry, b"mine")))
    writer.start()
    end_wait_for_standby(servers)
    assert not answers
    servers.servers[1].resume()
    writer.join()
    assert answers[0].data == b"mine"


def end_wait_for_standby(servers):
    """Cancel the one statement that waits, and return when another one does."""
    pid = wait_for(lambda: servers.sql(WAITING), "the wait for the standby")
    servers.sql(f"SELECT pg_cancel_backend({pid})")
    wait_for(lambda: servers.sql(WAITING) not in ("", pid), "the next wait")


def test_a_role_that_receives_only_errors_learns_that_a_wait_was_cancelled(pair, place):
    servers, _, entry = pair
    servers.sql("ALTER ROLE CURRENT_USER SET client_min_messages = error")
    backend = open_backend(servers.url(), Clock(), StateDir(place, "web2"), Terms(6.0))
    believe_no_cancelled_wait(servers, backend, entry)


def test_giving_up_while_a_standby_is_away_leaves_no_statements_queued_in_the_server(pair, place):
    """One waits for the standby; others behind it would keep their connections until the server has none left."""
    servers, _, entry = pair
    servers.servers[1].pause()
    for node in ("web2", "web3"):
        backend = open_backend(servers.url(), Clock(), StateDir(place, node), Terms(3.0))
        with pytest.raises(BackendError):
            backend.swap(entry, b"mine")
    queueing = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cronguard' AND wait_event_type = 'Lock'"
    wait_for(lambda: servers.sql(queueing) == "0", "the end of the queue")
    assert servers.sql(WAITING).count("\n") == 0


def test_after_an_unknown_answer_a_read_waits_for_the_standby_too(pair):
    """The lease reads back after an unknown answer: the version that it sees must survive a fail-over."""
    servers, backend, entry = pair
    servers.servers[1].pause()
    with pytest.raises(BackendError):
        backend.swap(entry, b"mine")
    for pid in servers.sql(WAITING).split():
        servers.sql(f"SELECT pg_terminate_backend({pid})")
    wait_for(lambda: servers.sql("SELECT data FROM cronguard") == r"\x6d696e65", "the commit that is seen")
    with pytest.raises(BackendError):
        backend.read(KEY)
    servers.servers[1].resume()
    assert backend.read(KEY).data == b"mine"


@pytest.fixture
def pooled(place):
    """A way through a PgBouncer that sends every statement over another connection."""
    server, servers = session.postgres(), Servers()
    STORES["postgres"](place)
    port = free_ports(1)[0]
    folder = f"{servers.root}/pool"
    pool = servers.add(
        "pool", program("pgbouncer"), f"{folder}/pool.ini", user="postgres" if ME == "postgres" else None
    )
    with open(f"{folder}/pool.ini", "w", encoding="ascii") as file:
        file.write(
            f"[databases]\n* = host=127.0.0.1 port={server.ports[0]} user={ME}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\nserver_lifetime = 1\n"
            "default_pool_size = 3\n"
        )
    pool.start()
    url = f"postgres://{ME}@127.0.0.1:{port}/postgres"
    wait_for(lambda: open_backend(url, Clock(), StateDir(place, "web1"), Terms(3.0)).now(), "PgBouncer")
    yield lambda node: open_backend(url, Clock(), StateDir(place, node))
    servers.end()


def test_it_works_behind_a_pooler(pooled):
    here, there = pooled("web1"), pooled("web2")
    entry = publish(here, b"one")
    change = threading.Timer(0.3, lambda: publish(there, b"two"))
    change.start()
    here.wait(entry, 60.0)
    assert here.read(KEY).data == b"two"
    assert here.swap(entry, b"late") is None
    change.join()


def test_notifications_are_waited_for_only_where_they_can_arrive(store, pooled):
    direct, other, heard = store.open(), store.open("web2"), []
    listener = threading.Thread(target=lambda: heard.append(direct._session.listen(10 * LIMIT)), daemon=True)
    listener.start()
    wait_for(lambda: publish(other) and heard, "the notification")
    assert heard == [True]
    assert not pooled("web1")._session.listen(10 * LIMIT)


def test_many_nodes_that_find_no_table_create_one(store):
    start, made = threading.Barrier(8), []

    def begin(number):
        backend = store.open(f"web{number}")
        start.wait()
        made.append(publish(backend, b"one", f"lease/a/{number}"))

    threads = [threading.Thread(target=begin, args=(n,)) for n in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(made) == len(list(store.open().scan("lease/"))) == 8


def test_a_table_of_other_software_is_refused(store):
    session.postgres().sql("CREATE TABLE cronguard (id int)")
    with pytest.raises(StoreRefusedError):
        store.open().read(KEY)


def test_a_database_with_serializable_transactions_works_too(store):
    session.postgres().sql("ALTER ROLE CURRENT_USER SET default_transaction_isolation = 'serializable'")
    try:
        entry = publish(store.open(), b"one")
        won, start = [], threading.Barrier(6)

        def contend(number):
            backend = store.open(f"web{number}")
            start.wait()
            if backend.swap(entry, b"%d" % number):
                won.append(number)

        threads = [threading.Thread(target=contend, args=(n,)) for n in range(6)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert len(won) == 1
    finally:
        session.postgres().sql("ALTER ROLE CURRENT_USER RESET default_transaction_isolation")


def test_a_database_without_an_encoding_returns_its_keys_all_the_same(place):
    """Debian's initdb creates one if the locale is C."""
    session.postgres().sql("CREATE DATABASE raw ENCODING 'SQL_ASCII' TEMPLATE template0")
    try:
        backend = open_backend(session.postgres().url("raw"), Clock(), StateDir(place, "web1"))
        publish(backend, b"one")
        assert [entry.key for entry in backend.scan("lease/")] == [KEY]
        backend.close()
    finally:
        session.postgres().sql("DROP DATABASE raw WITH (FORCE)")


@pytest.mark.parametrize(
    ("wrong", "right"), [("/postgres", "/nowhere"), (f"{ME}@", "nobody@")], ids=["database", "user"]
)
def test_a_missing_database_or_user_is_not_an_outage(store, place, wrong, right):
    url = session.postgres().url().replace(wrong, right)
    with pytest.raises(StoreRefusedError, match="does not exist") as caught:
        open_backend(url, Clock(), StateDir(place, "web1")).read(KEY)
    assert "psql" in caught.value.hint


def test_a_standby_is_refused(pair, place):
    servers, _, _ = pair
    url = f"postgres://{ME}@127.0.0.1:{servers.ports[1]}/postgres"
    with pytest.raises(BackendError) as caught:
        open_backend(url, Clock(), StateDir(place, "web1"), Terms(2.0)).read(KEY)
    assert caught.value.hint


def test_a_scan_returns_more_entries_than_a_page_holds(store):
    backend = store.open()
    keys = [f"lease/many/{number:03}" for number in range(405)]
    for key in keys:
        publish(backend, b"x", key)
    assert [entry.key for entry in backend.scan("lease/")] == keys


def test_an_entry_that_a_fail_over_has_replaced_under_the_same_number_is_not_the_latest(store):
    """A fail-over may forget a version that somebody has read, and another node may have taken its number since."""
    backend = store.open()
    entry = publish(backend, b"one")
    session.postgres().sql("UPDATE cronguard SET data = 'other'")
    assert backend.swap(entry, b"two") is None
    assert backend.read(KEY)[:3] == (KEY, entry.version, b"other")
