"""Certificates: the server's is always verified, and ours is presented if the server requests one."""

import os
import ssl

import pytest
from certificates import Authority
from etcd_servers import Etcd
from opening import KEY, opened
from postgres_servers import ME, Postgres
from redis_servers import Redis
from servers import wait_for

from cronguard.system.errors import ConfigError, StoreRefusedError


@pytest.fixture
def authority(tmp_path):
    os.chmod(tmp_path, 0o755)
    return Authority(str(tmp_path))


def redis_tls(authority, address):
    cert, key = authority.sign("server", address)
    servers = Redis()
    servers.kill_all()
    tls = f"--tls-port {servers.ports[0]} --port 0 --tls-cert-file {cert} --tls-key-file {key} --tls-ca-cert-file {authority.ca}"
    server = servers.servers[0]
    server.argv = [
        *(word for word in server.argv if word not in ("--port", str(servers.ports[0]))),
        *tls.split(),
    ]
    server.start()
    return servers, f"rediss://127.0.0.1:{servers.ports[0]}/0"


def etcd_tls(authority, address):
    cert, key = authority.sign("server", address)
    servers = Etcd(
        1, "--cert-file", cert, "--key-file", key, "--client-cert-auth", "--trusted-ca-file", authority.ca
    )
    return servers, servers.url().replace("etcd:", "etcds:")


@pytest.fixture(params=[etcd_tls, redis_tls])
def tls(request, authority):
    started = []

    def start(address):
        servers, url = request.param(authority, address)
        started.append(servers)
        wait_for(lambda: "ready" in servers.servers[0].log().lower(), "the server")
        return url

    yield start
    for servers in started:
        servers.end()


def test_tls_with_a_client_certificate_works(tls, authority, tmp_path):
    url = tls("127.0.0.1")
    cert, key = authority.sign("client")
    backend = opened(url, tmp_path, ca=authority.ca, cert=cert, key=key)
    assert backend.swap(backend.read(KEY), b"data")
    backend.wait(backend.read(KEY), 0.1)


def test_a_server_that_nobody_trusts_is_refused(tls, tmp_path, authority):
    cert, key = authority.sign("client")
    with pytest.raises(StoreRefusedError, match="certificate"):
        opened(tls("127.0.0.1"), tmp_path, cert=cert, key=key).read(KEY)


def test_a_server_with_another_name_is_refused(tls, tmp_path, authority):
    cert, key = authority.sign("client")
    with pytest.raises(StoreRefusedError, match="certificate"):
        opened(tls("127.0.0.2"), tmp_path, ca=authority.ca, cert=cert, key=key).read(KEY)


@pytest.mark.parametrize("url", ["etcds://127.0.0.1", "rediss://127.0.0.1", "rediss+sentinel://127.0.0.1/x"])
def test_missing_certificates_are_named(url, tmp_path):
    with pytest.raises(ConfigError, match="/nowhere/ca"):
        opened(url, tmp_path, ca="/nowhere/ca").read(KEY)


def test_a_postgres_elsewhere_is_verified_unless_its_url_says_otherwise(tmp_path):
    backend = opened("postgres://cron@db.example.org/cron", tmp_path)
    assert backend._session._conninfo["sslmode"] == "verify-full"
    assert "sslmode" not in opened("postgres://cron@127.0.0.1/cron", tmp_path)._session._conninfo
    assert (
        opened("postgres://cron@db/cron", tmp_path, sslmode="require")._session._conninfo["sslmode"]
        == "require"
    )


def test_a_postgres_of_a_service_file_is_verified_unless_that_says_otherwise(tmp_path, monkeypatch):
    for name in ("PGSSLMODE", "PGSSLROOTCERT"):
        monkeypatch.setenv(name, "to be restored")
        monkeypatch.delenv(name)
    file = tmp_path / "services"
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    with Postgres() as servers:
        place = f"host=127.0.0.1\nport={servers.ports[0]}\nuser={ME}\ndbname=postgres\n"
        file.write_text(f"[silent]\n{place}\n[spoken]\n{place}sslmode=disable\n")
        with pytest.raises(StoreRefusedError, match="does not support SSL"):
            opened("postgres:///", tmp_path, service="silent").read(KEY)
        backend = opened("postgres:///", tmp_path, service="spoken")
        assert backend.swap(backend.read(KEY), b"data")


def test_a_postgres_whose_certificate_nobody_trusts_is_refused(authority, tmp_path):
    cert, key = authority.sign("server", "127.0.0.1")
    with Postgres() as servers:
        servers.serve_tls(cert, key)
        url = servers.url().partition("?")[0]
        with pytest.raises(StoreRefusedError, match="certificate"):
            opened(url, tmp_path, sslmode="verify-full", sslrootcert="system").read(KEY)
        backend = opened(url, tmp_path, sslmode="verify-full", sslrootcert=authority.ca)
        assert backend.swap(backend.read(KEY), b"data")


def test_a_postgres_elsewhere_is_verified_with_the_authorities_of_the_system(
    authority, tmp_path, monkeypatch
):
    """The library bundled with psycopg looks for them where no system has them."""
    cert, key = authority.sign("server", "0.0.0.0")
    paths = ssl.get_default_verify_paths()._replace(cafile=authority.ca)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setenv("HOME", str(tmp_path))
    with Postgres() as servers:
        servers.serve_tls(cert, key)
        # This address is loopback, but does not look like it.
        url = servers.url().partition("?")[0].replace("127.0.0.1", "0.0.0.0")
        backend = opened(url, tmp_path)
        assert backend.swap(backend.read(KEY), b"data")
        assert backend._session.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")[0][0]
