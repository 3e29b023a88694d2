"""Sentinels and the master that they report may require different passwords."""

import pytest
from opening import KEY, opened
from redis_servers import Redis

from cronguard.system.errors import BackendError, StoreForbiddenError

pytestmark = pytest.mark.engine

RIGHT, WRONG = "right-horse-battery", "wrong-horse-battery"


@pytest.fixture
def sentinels():
    """A Redis that requires a password, and a Sentinel that requires none."""
    servers = Redis(sentinels=1)
    port, sentinel = servers.ports[0], servers.sentinel_ports[0]
    servers.ask(sentinel, "SENTINEL", "SET", "cronguard", "auth-pass", RIGHT)
    servers.ask(port, "CONFIG", "SET", "requirepass", RIGHT)
    yield servers
    servers.end()


def test_the_password_of_a_redis_is_not_sent_to_its_sentinels(sentinels, tmp_path, monkeypatch):
    monkeypatch.setenv("CRONGUARD_BACKEND_PASSWORD", RIGHT)
    backend = opened(sentinels.sentinel_url(), tmp_path)
    assert backend.swap(backend.read(KEY), b"data")


def test_sentinels_that_require_a_password_get_theirs(sentinels, tmp_path, monkeypatch):
    monkeypatch.setenv("CRONGUARD_BACKEND_PASSWORD", RIGHT)
    sentinels.ask(sentinels.sentinel_ports[0], "ACL", "SETUSER", "default", "resetpass", f">{WRONG}")
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text("neither")
    for options in ({}, {"sentinel_password_file": file}):
        with pytest.raises(StoreForbiddenError) as caught:
            opened(sentinels.sentinel_url(), tmp_path, **options).read(KEY)
        assert RIGHT not in str(caught.value) and "sentinel_password_file" in caught.value.hint
    file.write_text(WRONG)
    backend = opened(sentinels.sentinel_url(), tmp_path, sentinel_password_file=file)
    assert backend.swap(backend.read(KEY), b"data")


def test_the_librarys_error_for_unreachable_sentinels_is_not_shown(tmp_path):
    """In versions 6.4 and 7.1 it contains the password, with all other arguments of the connection."""
    file = tmp_path / "password"
    file.touch(0o600)
    file.write_text(RIGHT)
    with pytest.raises(BackendError, match="no Sentinel") as caught:
        opened("redis+sentinel://127.0.0.1:1/x", tmp_path, 1.0, sentinel_password_file=file).read(KEY)
    assert "password" not in str(caught.value) and caught.value.__cause__.__suppress_context__
