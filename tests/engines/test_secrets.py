"""Passwords and certificates: the right ones work, wrong ones are refused, and none is ever seen."""

import os
import ssl
from pathlib import Path

import pytest
from certificates import Authority
from engine_nodes import NEXT_TICK, TICK, Nodes
from etcd_servers import Etcd
from postgres_servers import ME, Postgres
from processes import mentioning, wait_until
from redis_servers import Redis
from servers import wait_for

from cronguard.backend import Terms, open_backend
from cronguard.clock import Clock
from cronguard.errors import ConfigError, StoreForbiddenError, StoreRefusedError
from cronguard.statedir import StateDir

RIGHT, WRONG = "right-horse-battery", "wrong-horse-battery"
REDIS_RIGHTS = "+evalsha +script|load +set +hmget +hset +time +wait +role +info +scan"
KEY = "lease/billing/invoices"


def etcd_with_users():
    servers = Etcd()
    prefix = {"key": "bWluZS8=", "rangeEnd": "bWluZTA=", "permType": "READWRITE"}  # mine/
    servers.call(0, "auth/user/add", {"name": "root", "password": "toor"})
    servers.call(0, "auth/user/add", {"name": "cron", "password": RIGHT})
    servers.call(0, "auth/role/add", {"name": "cron"})
    servers.call(0, "auth/role/grant", {"name": "cron", "perm": prefix})
    servers.call(0, "auth/user/grant", {"user": "cron", "role": "cron"})
    servers.call(0, "auth/user/grant", {"user": "root", "role": "root"})
    servers.call(0, "auth/enable", {})
    return servers, f"etcd://cron@{servers.hosts}/mine"


def redis_with_users():
    servers = Redis()
    servers.ask(
        servers.ports[0], "ACL", "SETUSER", "cron", "on", f">{RIGHT}", "~cronguard/*", *REDIS_RIGHTS.split()
    )
    servers.ask(servers.ports[0], "ACL", "SETUSER", "default", "off")
    return servers, f"redis://cron@127.0.0.1:{servers.ports[0]}/0"


def postgres_with_users():
    servers = Postgres(rules=["host all cron 127.0.0.1/32 scram-sha-256"])
    servers.sql(f"CREATE ROLE cron LOGIN PASSWORD '{RIGHT}'")
    servers.sql("CREATE DATABASE cron OWNER cron")
    return servers, f"postgres://cron@127.0.0.1:{servers.ports[0]}/cron"


class Guarded:
    """An engine with a user cron, who has a password, and the ways to give it."""

    def __init__(self, name, servers, url, folder):
        self.name, self.servers, self.url, self._folder = name, servers, url, folder

    def from_file(self, password):
        """Return the URL and the environment of who keeps the password in a file."""
        path = self._folder / "password"
        if self.name == "postgres":
            path.write_text(f"*:*:*:*:{password}\n")
            path.chmod(0o600)
            return self.url, {"PGPASSFILE": str(path)}
        path.write_text(f"{password}\n")
        path.chmod(0o640)
        return f"{self.url}?password_file={path}", {}

    def from_variable(self, password):
        return self.url, {"CRONGUARD_BACKEND_PASSWORD": password}

    def in_url(self, password):
        return self.url.replace("cron@", f"cron:{password}@"), {}


@pytest.fixture(
    params=[("etcd", etcd_with_users), ("redis", redis_with_users), ("postgres", postgres_with_users)],
    ids=lambda param: param[0],
)
def guarded(request, tmp_path):
    name, make = request.param
    servers, url = make()
    yield Guarded(name, servers, url, tmp_path)
    servers.end()


@pytest.fixture
def nodes(tmp_path):
    made = Nodes(tmp_path, "local")
    yield made
    made.clean_up()


def run(nodes, way, *words, tick=TICK):
    url, env = way
    told = ["--log", "stderr", "-v", "--tick", tick, "--backend-timeout", 6]
    return nodes.start(*told, *words, env={"CRONGUARD_BACKEND": url, **env})


def _arguments(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


def test_a_password_works_and_is_nowhere_to_be_seen(guarded, nodes):
    for way, tick in ((guarded.from_file(RIGHT), TICK), (guarded.from_variable(RIGHT), NEXT_TICK)):
        started = run(nodes, way, *nodes.alive(60), tick=tick)
        job = started.job()
        wait_until(nodes.is_running, "the job")
        arguments = [_arguments(seen.pid) for seen in mentioning(str(nodes.root))]
        assert any(b"cronguard" in words for words in arguments)
        assert RIGHT.encode() not in b"".join(arguments)
        assert RIGHT.encode() not in Path(f"/proc/{job.pid}/environ").read_bytes()
        started.send(15)
        done = started.end()
        assert (done.status, RIGHT in done.out + done.err) == (143, False)
        nodes.log.unlink()
    kept = [path for path in nodes.root.rglob("*") if path.is_file() and path.name != "password"]
    assert [path for path in kept if RIGHT.encode() in path.read_bytes()] == []


def test_a_wrong_password_is_refused_and_not_shown(guarded, nodes):
    for way in (guarded.from_file(WRONG), guarded.from_variable(WRONG)):
        done = run(nodes, way, "--", "true").end()
        assert (done.status, WRONG in done.err) == (77, False), done.err
        assert "hint:" in done.err


def test_a_password_in_the_url_is_refused_and_not_shown(guarded, nodes):
    done = run(nodes, guarded.in_url(RIGHT), "--", "true").end()
    assert (done.status, RIGHT in done.err) == (78, False), done.err
    assert "there is a password in the URL" in done.err


def test_a_password_file_that_all_can_read_is_refused(guarded, nodes):
    way = guarded.from_file(RIGHT)
    (nodes.root / "password").chmod(0o644)
    done = run(nodes, way, "--", "true").end()
    libpq = guarded.name == "postgres"  # it does without the file, and then without a password
    assert (done.status, "chmod o=" in done.err) == (77 if libpq else 78, not libpq), done.err


def test_who_may_not_write_there_is_told_so(guarded, nodes):
    url, env = guarded.from_file(RIGHT)
    elsewhere = {
        "etcd": lambda url: url.replace("/mine", "/theirs"),
        "postgres": lambda url: url.removesuffix("cron") + "postgres",
        "redis": lambda url: f"{url}&prefix=theirs",
    }
    done = run(nodes, (elsewhere[guarded.name](url), env), "--", "true").end()
    assert done.status == 77, done.err
    assert "hint:" in done.err


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


def opened(url, tmp_path, timeout=10.0, **options):
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return open_backend(
        f"{url.rstrip(chr(63))}?{query}", Clock(), StateDir(f"{tmp_path}/state", "web1"), Terms(10.0)
    )


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


@pytest.mark.parametrize("url", ["etcds://127.0.0.1", "rediss://127.0.0.1", "rediss+sentinel://127.0.0.1/x"])
def test_certificates_that_are_not_there_are_named(url, tmp_path):
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


def test_the_authorities_of_the_system_vouch_for_a_postgres_elsewhere(authority, tmp_path, monkeypatch):
    """The library that comes with psycopg looks for them where no system has them."""
    cert, key = authority.sign("server", "0.0.0.0")
    paths = ssl.get_default_verify_paths()._replace(cafile=authority.ca)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setenv("HOME", str(tmp_path))
    with Postgres() as servers:
        servers.serve_tls(cert, key)
        url = (
            servers.url().partition("?")[0].replace("127.0.0.1", "0.0.0.0")
        )  # loopback, which it does not look like
        backend = opened(url, tmp_path)
        assert backend.swap(backend.read(KEY), b"data")
        assert backend._session.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")[0][0]


def test_a_store_that_a_user_may_not_use_is_no_reason_to_run_unguarded():
    assert issubclass(StoreForbiddenError, StoreRefusedError)
