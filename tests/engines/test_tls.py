"""Certificates: the server's is always verified, and ours is shown where it asks for one."""

import os

import pytest
from certificates import Authority
from etcd_servers import Etcd
from postgres_servers import Postgres
from redis_servers import Redis
from servers import wait_for

from cronguard.backend import Terms, open_backend
from cronguard.clock import Clock
from cronguard.errors import ConfigError, StoreRefusedError
from cronguard.statedir import StateDir

KEY = "lease/billing/invoices"


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


def opened(url, tmp_path, **options):
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return open_backend(f"{url}?{query}", Clock(), StateDir(f"{tmp_path}/state", "web1"), Terms(10.0))


def test_tls_with_a_certificate_of_ours_works(tls, authority, tmp_path):
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


def test_certificates_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ConfigError, match="/nowhere/ca"):
        opened("etcds://127.0.0.1", tmp_path, ca="/nowhere/ca")


def test_a_postgres_elsewhere_is_verified_unless_its_url_says_otherwise(tmp_path):
    backend = opened("postgres://cron@db.example.org/cron", tmp_path)
    assert backend._session._conninfo["sslmode"] == "verify-full"
    assert "sslmode" not in opened("postgres://cron@127.0.0.1/cron", tmp_path)._session._conninfo
    assert (
        opened("postgres://cron@db/cron", tmp_path, sslmode="require")._session._conninfo["sslmode"]
        == "require"
    )


def test_a_postgres_whose_certificate_nobody_trusts_is_refused(authority, tmp_path):
    cert, key = authority.sign("server", "127.0.0.1")
    with Postgres() as servers:
        data = servers.data(0)
        for path, name in ((cert, "server.crt"), (key, "server.key")):
            servers.give(path, f"{data}/{name}")
        servers.sql("ALTER SYSTEM SET ssl = on")
        servers.sql("SELECT pg_reload_conf()")
        wait_for(lambda: servers.sql("SHOW ssl") == "on", "TLS")
        url = servers.url().partition("?")[0]
        with pytest.raises(StoreRefusedError, match="certificate"):
            opened(url, tmp_path, sslmode="verify-full", sslrootcert="system").read(KEY)
        backend = opened(url, tmp_path, sslmode="verify-full", sslrootcert=authority.ca)
        assert backend.swap(backend.read(KEY), b"data")
