"""The network is cut at every message of a swap: the swap is published once, and its writer learns that."""

import threading
import time
from contextlib import suppress

import pytest
import session
from proxy import Proxy
from stores import KEY, STORES

from cronguard.store.contract import Terms, open_backend
from cronguard.system.clock import Clock
from cronguard.system.errors import BackendError
from cronguard.system.statedir import StateDir

MOST_MESSAGES = 60  # connecting and swapping take far less on each engine
TIMEOUT = 6.0  # each try gets a second of it


class Cable:
    """A store on one engine, and a way to it through a proxy that the other nodes do not use."""

    def __init__(self, name, place):
        self.direct = STORES[name](place)
        server = getattr(session, name)()
        self.proxy = Proxy(server.ports[0])
        self.url = self.direct.url.replace(f":{server.ports[0]}", f":{self.proxy.port}")
        self._place = place

    def open(self, timeout=TIMEOUT):
        return open_backend(self.url, Clock(), StateDir(self._place, "cut-off"), Terms(timeout))


@pytest.fixture(params=["etcd", "postgres", "redis"])
def cable(request, place):
    made = Cable(request.param, place)
    yield made
    made.proxy.close()


def swapped(backend, other, data):
    """Publish two versions; this connection has seen the first."""
    entry = backend.swap(backend.read(KEY), b"before " + data)
    return entry, backend.swap(entry, data), other.read(KEY)


def cuts(cable, *, is_silent):
    """Yield message numbers at which to cut, until there are no more messages."""
    for number in range(1, MOST_MESSAGES):
        cable.proxy.reset(number, is_silent=is_silent)
        yield number
        if not cable.proxy.was_cut.is_set():
            assert number > 4
            return
    pytest.fail(f"a swap takes more than {MOST_MESSAGES} messages")


@pytest.mark.parametrize("is_silent", [False, True], ids=["closed", "silent"])
def test_a_swap_cut_anywhere_is_published_once_and_confirmed(cable, is_silent):
    other = cable.direct.open()
    for number in cuts(cable, is_silent=is_silent):
        backend = cable.open()
        entry, published, found = swapped(backend, other, b"%d" % number)
        assert published, number
        assert found[:3] == published[:3] == (KEY, found.version, b"%d" % number)
        assert entry.version < published.version
        backend.close()


def test_a_lost_reply_is_not_a_success_if_another_node_has_published_since(cable):
    """The node that was cut off may have published, but it must not believe that its version is still the latest."""
    other = cable.direct.open()

    def go_on(data, from_client):
        latest = other.read(KEY)
        if from_client or latest.data != b"mine":
            return False
        assert other.swap(latest, b"theirs")
        return True

    backend = cable.open()
    entry = backend.swap(backend.read(KEY), b"before")
    cable.proxy.is_to_cut = go_on
    assert backend.swap(entry, b"mine") is None
    assert other.read(KEY).data == b"theirs"


def test_an_unreachable_engine_is_an_error_within_the_time_limit_that_names_it(cable):
    backend = cable.open(2.0)
    entry = backend.swap(backend.read(KEY), b"before")
    cable.proxy.close()
    began = time.monotonic()
    for work in (lambda: backend.read(KEY), lambda: backend.swap(entry, b"mine")):
        with pytest.raises(BackendError) as caught:
            work()
        assert "127.0.0.1" in str(caught.value)
        assert caught.value.hint
        assert caught.value.status == 69
    assert time.monotonic() - began < 60


def test_a_wait_ends_when_the_engine_goes_away(cable):
    backend = cable.open(2.0)
    entry = backend.swap(backend.read(KEY), b"before")
    cut = threading.Timer(0.3, cable.proxy.close)
    cut.start()
    with suppress(BackendError):
        backend.wait(entry, 3.0)
    cut.join()
