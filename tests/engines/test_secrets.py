"""Passwords: the right ones work, wrong ones are refused, and none is ever shown."""

from pathlib import Path

import pytest
from engine_nodes import NEXT_TICK, TICK, Nodes
from etcd_servers import Etcd
from postgres_servers import Postgres
from processes import mentioning, wait_until
from redis_servers import Redis

from cronguard.system.errors import StoreForbiddenError, StoreRefusedError

RIGHT, WRONG = "right-horse-battery", "wrong-horse-battery"
REDIS_RIGHTS = "+evalsha +script|load +set +hmget +hset +time +wait +role +info +scan"


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


def postgres_with_users(*more, **settings):
    servers = Postgres(*more, rules=["host all cron 127.0.0.1/32 scram-sha-256"], **settings)
    servers.sql(f"CREATE ROLE cron LOGIN PASSWORD '{RIGHT}'")
    servers.sql("CREATE DATABASE cron OWNER cron")
    return servers, f"postgres://cron@127.0.0.1:{servers.ports[0]}/cron"


class Guarded:
    """An engine with a user cron who has a password, and the ways to supply it."""

    def __init__(self, name, servers, url, folder):
        self.name, self.servers, self.url, self._folder = name, servers, url, folder

    def from_file(self, password):
        """Return the URL and the environment for a password in a file."""
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
    # Each try gets a sixth of the limit: etcd takes long to check a password, and longer on a busy machine.
    told = ["--log", "stderr", "-v", "--tick", tick, "--backend-timeout", 12]
    return nodes.start(*told, *words, env={"CRONGUARD_BACKEND": url, **env})


def _arguments(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


def test_a_password_works_and_is_shown_nowhere(guarded, nodes):
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


@pytest.fixture
def german(tmp_path):
    """A server with German messages: gettext obeys LANGUAGE in every locale but C."""
    if not any(Path("/usr/share/locale/de/LC_MESSAGES").glob("postgres-*.mo")):
        pytest.skip("needs PostgreSQL's German messages, which came with its package")
    servers, url = postgres_with_users("-c", "lc_messages=C.UTF-8", env={"LANGUAGE": "de"})
    yield Guarded("postgres", servers, url, tmp_path)
    servers.end()


def test_a_wrong_password_is_recognised_whatever_the_servers_language(german, nodes):
    done = run(nodes, german.from_file(WRONG), "--", "true").end()
    assert (done.status, "Passwort-Authentifizierung" in done.err) == (77, True), done.err
    assert "hint:" in done.err


def test_a_user_with_too_many_connections_is_not_a_wrong_password(german, nodes):
    """The server also disconnects it after its password, in German, but it gets in when another run ends."""
    german.servers.sql("ALTER ROLE cron CONNECTION LIMIT 1")
    first = run(nodes, german.from_file(RIGHT), *nodes.alive(60))
    wait_until(nodes.is_running, "the job")
    second = nodes.start(
        "--tick", TICK, "--backend-timeout", 60, "--", "true", job="other", node="n2",
        env={"CRONGUARD_BACKEND": german.url, **german.from_file(RIGHT)[1]},
    )  # fmt: skip
    refused = "zu viele Verbindungen von Rolle"
    wait_until(lambda: refused in german.servers.servers[0].log(), "the refusal")
    nodes.end_jobs()
    assert (first.end().status, second.end().status) == (0, 0)


def test_a_password_in_the_url_is_refused_and_not_shown(guarded, nodes):
    done = run(nodes, guarded.in_url(RIGHT), "--", "true").end()
    assert (done.status, RIGHT in done.err) == (78, False), done.err
    assert "the URL contains a password" in done.err


def test_a_password_file_that_everybody_can_read_is_refused(guarded, nodes):
    way = guarded.from_file(RIGHT)
    (nodes.root / "password").chmod(0o644)
    done = run(nodes, way, "--", "true").end()
    libpq = guarded.name == "postgres"  # it ignores such a file, and then sends no password
    assert (done.status, "chmod o=" in done.err) == (77 if libpq else 78, not libpq), done.err


def test_a_user_who_may_not_write_there_gets_that_error(guarded, nodes):
    url, env = guarded.from_file(RIGHT)
    elsewhere = {
        "etcd": lambda url: url.replace("/mine", "/theirs"),
        "postgres": lambda url: url.removesuffix("cron") + "postgres",
        "redis": lambda url: f"{url}&prefix=theirs",
    }
    done = run(nodes, (elsewhere[guarded.name](url), env), "--", "true").end()
    assert done.status == 77, done.err
    assert "hint:" in done.err


def test_a_store_that_a_user_may_not_use_is_no_reason_to_run_unguarded():
    assert issubclass(StoreForbiddenError, StoreRefusedError)
