"""What etcd adds to the contract: revisions, members, pages, tokens."""

import base64
import os
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import session
from etcd_servers import Etcd
from servers import LIMIT, wait_for
from stores import KEY, STORES, publish
from test_secrets import RIGHT, etcd_with_users

from cronguard.store.contract import Entry, Terms, open_backend
from cronguard.store.etcd import etcd
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError, StoreForbiddenError, StoreRefusedError
from cronguard.system.statedir import StateDir

pytestmark = pytest.mark.engine


@pytest.fixture
def store(place):
    return STORES["etcd"](place)


@pytest.fixture
def backend(store):
    return store.open()


def opened(url, place, timeout=6.0):
    return open_backend(url, Clock(), StateDir(place, "web1"), Terms(timeout))


def delete(store, key=KEY):
    name = f"{store.url.rpartition('/')[2]}/v1/{key}"
    session.etcd().call(0, "kv/deleterange", {"key": base64.b64encode(name.encode()).decode()})


def test_a_key_that_was_deleted_and_written_again_is_not_mistaken_for_the_old_one(backend, store):
    entry = publish(backend, b"one")
    delete(store)
    assert backend.read(KEY).version == 0
    assert backend.swap(entry, b"two") is None
    assert publish(backend, b"one").version > entry.version
    assert backend.swap(entry, b"two") is None


def test_a_scan_returns_more_entries_than_a_page_holds(backend, monkeypatch):
    monkeypatch.setattr(etcd, "_PAGE", 3)
    keys = [f"lease/many/{number}" for number in range(7)]
    for key in keys:
        publish(backend, b"x", key)
    assert [entry.key for entry in backend.scan("lease/")] == keys


def test_its_clock_agrees_with_this_machines(backend):
    assert abs(backend.now() - Clock().wall()) < 60.0


def test_any_member_answers_for_all(place):
    with Etcd(3) as servers:
        entry = publish(opened(servers.url(), place), b"one")
        for port in servers.ports:
            assert opened(servers.url(port=port), place).read(KEY) == entry


def test_a_member_cut_off_from_the_others_does_not_answer_from_memory(place):
    with Etcd(3) as servers:
        publish(opened(servers.url(), place), b"one")
        for server in servers.servers[1:]:
            server.pause()
        with pytest.raises(BackendError):
            opened(servers.url(port=servers.ports[0]), place, 3.0).read(KEY)


def test_an_expired_login_is_renewed(place, monkeypatch):
    monkeypatch.setenv("CRONGUARD_BACKEND_PASSWORD", RIGHT)
    servers, url = etcd_with_users()
    with servers:
        backend = opened(url, place)
        publish(backend, b"one")
        servers.servers[0].kill()  # it keeps its tokens in memory
        servers.servers[0].start()
        assert publish(backend, b"two")


def test_a_login_without_a_user_is_refused(place):
    servers, url = etcd_with_users()
    with servers, pytest.raises(StoreForbiddenError):
        opened(url.replace("cron@", ""), place).read(KEY)


def test_a_user_is_refused_where_authentication_is_not_enabled(place):
    with pytest.raises(StoreRefusedError, match="not enabled"):
        opened(f"etcd://cron@{session.etcd().hosts}/x", place).read(KEY)


def test_an_http_server_without_the_gateway_is_refused(place):
    with Etcd(1, "--enable-grpc-gateway=false") as servers:
        url = servers.url()
        wait_for(lambda: "ready to serve" in servers.servers[0].log(), "the server")
        with pytest.raises(StoreRefusedError, match="gateway"):
            opened(url, place).read(KEY)


@pytest.fixture
def says():
    """A server that gives the same answer to every request, with a chosen status and body."""
    started = []

    def start(body, status=200):
        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return f"etcd://127.0.0.1:{server.server_port}/x"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"kvs": [{}]}', '{"responses": []}'])
def test_a_server_other_than_etcd_is_not_an_empty_store(says, place, body):
    backend = opened(says(body), place)
    for work in (lambda: backend.read(KEY), lambda: backend.swap(Entry(KEY, 0, b""), b"x")):
        with pytest.raises(StoreRefusedError, match="is not etcd"):
            work()


@pytest.fixture
def dribbling():
    """The port of a server that starts to answer, and then sends a byte now and then for ever."""
    listener, is_over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def dribble(sock):
        with sock, suppress(OSError):
            sock.recv(1 << 20)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not is_over.wait(0.1):
                sock.sendall(b" ")

    def accept():
        with suppress(OSError):
            while True:
                threading.Thread(target=dribble, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    is_over.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_a_member_that_dribbles_is_given_up_for_the_next(store, place, dribbling, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 0)  # it determines which member is tried first
    url, answers = store.url.replace("//", f"//127.0.0.1:{dribbling},"), []
    for work in (lambda b: b.read(KEY), lambda b: b.wait(Entry(KEY, 0, b""), 2.0)):
        backend = opened(url, place, 3.0)
        asked = threading.Thread(target=lambda w=work, b=backend: answers.append(w(b)), daemon=True)
        asked.start()
        asked.join(LIMIT)
        assert not asked.is_alive()
    assert answers == [Entry(KEY, 0, b""), None]


@pytest.mark.parametrize(
    ("code", "said"), [(8, "too many requests"), (9, "not capable"), (14, "no leader")], ids=lambda said: said
)
def test_a_passing_error_is_tried_again_though_its_code_is_that_of_a_lasting_one(says, place, code, said):
    """A member that is starting is "not capable", which has the same code as "authentication is not enabled"."""
    body = f'{{"error": "etcdserver: {said}", "code": {code}}}'
    with pytest.raises(BackendError, match=said) as caught:
        opened(says(body, 503), place, 2.0).read(KEY)
    assert (caught.value.status, "majority" in caught.value.hint) == (69, True)


def test_a_full_database_is_reported(says, place):
    body = '{"error": "etcdserver: mvcc: database space exceeded", "code": 8}'
    with pytest.raises(BackendError, match="space exceeded") as caught:
        opened(says(body, 429), place).read(KEY)
    assert "defragment" in caught.value.hint


def test_keys_that_cronguard_did_not_create_are_not_shown(backend, store):
    publish(backend)
    for odd in ("lease/a", "lease/a/b/c"):
        name = f"{store.url.rpartition('/')[2]}/v1/{odd}"
        session.etcd().call(0, "kv/put", {"key": base64.b64encode(name.encode()).decode()})
    assert [entry.key for entry in backend.scan("lease/")] == [KEY]


def test_an_entry_that_a_restored_cluster_has_under_the_same_revision_is_not_the_latest(backend):
    """A cluster restored from a backup counts revisions anew, so another node's entry may have the same one."""
    entry = publish(backend, b"one")
    assert backend.swap(entry._replace(data=b"read before the restore"), b"two") is None
    assert backend.read(KEY)[:3] == entry[:3]
