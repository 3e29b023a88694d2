import sys

import pytest

from cronguard.store.contract import open_backend, prepare_backend, scheme_of
from cronguard.store.shared.address import Address, parse_address
from cronguard.system.clock import Clock
from cronguard.system.errors import ConfigError
from cronguard.system.statedir import StateDir

SECRET = "hunter2"


def parsed(url, known=("ca", "password_file")):
    return parse_address(url, 2379, known)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("etcd://h1", Address("etcd", "", (("h1", 2379),), "", {})),
        ("etcd://h1:1,h2/a/b", Address("etcd", "", (("h1", 1), ("h2", 2379)), "a/b", {})),
        ("etcd://cron@[::1]:7,[::2]/", Address("etcd", "cron", (("::1", 7), ("::2", 2379)), "", {})),
        ("etcds://a%40b@h/?ca=/x%20y", Address("etcds", "a@b", (("h", 2379),), "", {"ca": "/x y"})),
    ],
)
def test_a_url_is_parsed(url, address):
    assert parsed(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "etcd://",
        "etcd:///x",
        "etcd://h:port",
        "etcd://h:0",
        "etcd://h:65536",
        "etcd://h,,g",
        "etcd:h",
        "etcd://::1",
        "etcd://fe80::1:2379/x",
    ],
)
def test_a_url_without_hosts_is_refused(url):
    with pytest.raises(ConfigError, match="is not a host"):
        parsed(url)


def test_an_unknown_option_is_named():
    with pytest.raises(ConfigError, match="'cafile'") as caught:
        parsed("etcd://h/?cafile=/x")
    assert "password_file" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        f"etcd://cron:{SECRET}@h/x",
        f"redis://:{SECRET}@h/0",
        f"postgres://cron:{SECRET}@h/cron",
        f"postgres://h/cron?user=cron&password={SECRET}",
        f"postgresql://h/cron?sslpassword={SECRET}",
        f"redis://h/0?PASSWORD={SECRET}",
        f"reddis://cron:{SECRET}@h/0",
        f"mysql://cron@h/0?password={SECRET}",
        f"etcd://h/x?pw={SECRET}",
        f"redis://h/x?pw={SECRET}",
        f"redis://cron:{SECRET}/@h/0",
        f"etcd://cron:{SECRET}?@h1:2379,h2:2379/x",
        f"postgres://h/x?pw={SECRET}",
        f"redis:cron:{SECRET}@h/0",
        f"redis:/cron:{SECRET}@h/0",
        f"redis//cron:{SECRET}@h/0",
        f"postgres:cron:{SECRET}@h/cron",
        f"etcd:h/x?password={SECRET}",
        f"local://cron:{SECRET}@h",
    ],
)
def test_a_password_in_a_url_is_refused_and_not_shown(url, tmp_path):
    with pytest.raises(ConfigError) as caught:
        open_backend(url, Clock(), StateDir(str(tmp_path), "web1"))
    assert SECRET not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "url",
    [
        "etcd://h1:2379,h2:2379/p@x",
        "ssh://[::1]:22/a@b",
        "postgres://h/x?user=a@b",
        "dir:/a:b@c",
        "ssh://a@b@h/x",
    ],
)
def test_an_at_sign_elsewhere_is_not_a_password(url):
    assert scheme_of(url) == url.partition(":")[0]


def test_the_password_file_takes_precedence_over_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("CRONGUARD_BACKEND_PASSWORD", "of the variable")
    file = tmp_path / "password"
    file.write_text("of the file\n")
    file.chmod(0o600)
    assert parsed(f"etcd://cron@h/?password_file={file}").password() == "of the file"
    assert parsed("etcd://cron@h/").password() == "of the variable"
    monkeypatch.delenv("CRONGUARD_BACKEND_PASSWORD")
    assert parsed("etcd://cron@h/").password() is None


def test_a_password_file_that_is_missing_or_readable_by_all_is_refused(tmp_path):
    file = tmp_path / "password"
    with pytest.raises(ConfigError, match="No such file"):
        parsed(f"etcd://cron@h/?password_file={file}").password()
    file.write_text("x")
    file.chmod(0o604)
    with pytest.raises(ConfigError, match="every user of this node"):
        parsed(f"etcd://cron@h/?password_file={file}").password()


@pytest.mark.parametrize(("scheme", "library"), [("postgres", "psycopg"), ("redis", "redis")])
def test_the_error_for_a_missing_library_names_its_extra(scheme, library, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    for module in ("sql.postgres", "sql.session", "redis.redis", "redis.client"):
        monkeypatch.delitem(sys.modules, f"cronguard.store.{module}", raising=False)
    with pytest.raises(ConfigError, match=f"needs a library that is not installed: .*{library}") as caught:
        open_backend(f"{scheme}://h/x", Clock(), StateDir(str(tmp_path), "web1"))
    assert f"pip install 'cronguard[{scheme}]'" in caught.value.hint


def test_modules_of_a_later_keeper_are_imported_early_unless_they_are_slow_to_import(monkeypatch):
    for name in ("etcd.etcd", "redis.redis"):
        monkeypatch.delitem(sys.modules, f"cronguard.store.{name}", raising=False)
    for url in ("etcd://h/x", "redis://h/0", "nothing", "mysql://h"):
        prepare_backend(url)
    assert "cronguard.store.etcd.etcd" in sys.modules
    assert "cronguard.store.redis.redis" not in sys.modules
