"""Where a lock host is, according to the URL and ~/.ssh/config, and what it must support."""

import os
import socket
import threading

import pytest
from ports import free_port
from stores import KEY

from cronguard.system.errors import BackendError, ConfigError, StoreRefusedError

# ~/.ssh/config


def test_host_user_port_key_and_known_hosts_come_from_the_configuration(login, lock_host):
    os.rename(login.key, f"{login.ssh}/special")
    os.rename(f"{login.ssh}/known_hosts", f"{login.ssh}/locks_known")
    login.write(
        "config", "Host locks", "HostName 127.0.0.1", f"Port {lock_host.port}", f"User {lock_host.user}",
        "IdentityFile ~/.ssh/special", "UserKnownHostsFile ~/.ssh/locks_known", "Host *", "User nobody",
    )  # fmt: skip
    assert login.use(f"ssh://locks{login.place}/share").version == 1


def test_the_url_takes_precedence_over_the_configuration(login, lock_host):
    login.write("config", "Host *", "Port 1", "User nobody")
    assert login.use().version == 1


def test_the_connection_jumps_through_all_hosts_of_the_configuration(login, lock_host):
    port = lock_host.port
    login.write(
        "config", "Host locks", "ProxyJump first,second", "Host first second locks", "HostName 127.0.0.1",
        f"Port {port}", f"User {lock_host.user}",
    )  # fmt: skip
    assert login.use(f"ssh://locks{login.place}/share").version == 1
    assert (lock_host.folder / "log").read_text().count("Accepted publickey") >= 3


def test_an_alias_of_the_host_key_has_no_port(login, lock_host):
    login.write("config", "HostKeyAlias Locks")
    login.know(f"locks {lock_host.host_key()}")
    assert login.use().version == 1


def test_every_host_on_the_way_must_be_known(login, lock_host):
    login.write(
        "config", "Host locks", "ProxyJump first", "Host first", "HostKeyAlias unknown", "Host *", "HostName 127.0.0.1",
        f"Port {lock_host.port}", f"User {lock_host.user}",
    )  # fmt: skip
    with pytest.raises(StoreRefusedError, match=r"unknown.* is not known"):
        login.use(f"ssh://locks{login.place}/share")


@pytest.mark.parametrize(("lines", "told"), [
    (["Host *", "ProxyJump 127.0.0.1"], "never ends"), (["ProxyCommand nc %h %p"], "ProxyCommand"), (["Port x"], "Port x"),
    (["Match exec true", "User x"], "Match exec"), (["nonsense"], "nonsense"),
    (["Include more"], "Include"), (["RevokedHostKeys ~/.ssh/revoked"], "@revoked"),
])  # fmt: skip
def test_unsupported_configuration_is_refused_with_a_reason(login, lock_host, lines, told):
    login.write("config", *lines)
    with pytest.raises(ConfigError) as caught:
        login.use(f"ssh://127.0.0.1{login.place}/share")
    assert told in f"{caught.value} {caught.value.hint}"


# The host


def test_an_ipv6_address_is_written_in_brackets(login, lock_host):
    login.know(f"[::1]:{lock_host.port} {lock_host.host_key()}")
    assert login.use(f"ssh://{lock_host.user}@[::1]:{lock_host.port}{login.place}/share").version == 1


def test_a_host_that_nobody_listens_on_is_tried_until_the_time_limit(login):
    with pytest.raises(BackendError, match="Connection refused") as caught:
        login.use(f"ssh://127.0.0.1:{free_port()}{login.place}/share")
    assert not isinstance(caught.value, StoreRefusedError)
    assert 1005.0 < login.clock.now_boot < 1030.0  # a random pause that would be too long ends it sooner


def test_an_impossible_host_name_is_a_configuration_error(login):
    with pytest.raises(ConfigError, match=r"locks\.\.example"):
        login.use("ssh://locks..example.org/share")


def test_name_servers_that_do_not_answer_are_reported_in_time(login, monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(60) and [])
    with pytest.raises(BackendError, match=r"127\.0\.0\.1, port .*name servers"):
        login.open(patience=0.6)
    answer.set()


def test_a_server_that_cannot_flush_data_to_its_disk_is_refused(login, monkeypatch):
    monkeypatch.setattr("cronguard.store.ssh.sftp._FSYNC", b"fsync@example.org")
    with pytest.raises(StoreRefusedError, match="cannot flush data to its disk"):
        login.use()


def test_an_account_without_sftp_is_reported(login, lock_host):
    lock_host.authorized.write_text(f'command="echo hello" {lock_host.authorized.read_text()}')
    with pytest.raises(BackendError, match="SFTP"):
        login.use()


def test_a_lost_connection_is_reopened(login, lock_host):
    backend = login.open()
    backend.swap(backend.read(KEY), b"one")
    lock_host.stop()
    lock_host.start()
    assert backend.swap(backend.read(KEY), b"two").version == 2
    backend.close()
