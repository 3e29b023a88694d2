"""Who is let in to a lock host, and which lock host is believed."""

import base64
import os
import signal
import socket
import subprocess
import threading
from contextlib import closing

import pytest
import sshd
from login import Login
from paramiko import Transport
from ports import free_port
from stores import KEY

from cronguard.errors import BackendError, ConfigError, StoreForbiddenError, StoreRefusedError


@pytest.fixture
def login(lock_host, place, monkeypatch):
    return Login(lock_host, place, monkeypatch)


def name(host):
    return f"[127.0.0.1]:{host.port}"


def fingerprint(host, type_="ed25519"):
    shown = subprocess.run(
        ["ssh-keygen", "-lf", f"{host.folder}/host_{type_}.pub"], capture_output=True, text=True, check=True
    )
    return shown.stdout.split()[1]


# Host keys


def test_a_host_that_is_known_is_used(login):
    assert login.use().version == 1


def test_an_unknown_host_is_refused_with_the_line_to_add_and_the_fingerprint(login, lock_host):
    login.know()
    with pytest.raises(StoreRefusedError, match="is not known") as caught:
        login.use()
    assert fingerprint(lock_host) in str(caught.value)
    line = caught.value.hint.partition("known_hosts: ")[2]
    login.know(line)
    assert login.use().version == 1


def test_without_any_known_hosts_every_host_is_refused(login):
    os.remove(f"{login.ssh}/known_hosts")
    with pytest.raises(StoreRefusedError, match="is not known"):
        login.use()


def test_a_changed_host_key_is_refused_with_both_fingerprints(login, lock_host):
    sshd.keygen(f"{login.place}/other")
    with open(f"{login.place}/other.pub", encoding="ascii") as file:
        login.know(f"# who it was\n{name(lock_host)} {file.read()}")
    with pytest.raises(StoreRefusedError, match="is not the known one") as caught:
        login.use()
    assert fingerprint(lock_host) in str(caught.value)
    assert f"{login.ssh}/known_hosts:2" in str(caught.value)
    assert "posing as that host" in caught.value.hint


def test_no_option_makes_an_unknown_host_known(login, lock_host):
    login.know()
    login.write(
        "config",
        "Host *",
        "StrictHostKeyChecking no",
        "CheckHostIP no",
        "NoHostAuthenticationForLocalhost yes",
    )
    with pytest.raises(StoreRefusedError, match="is not known"):
        login.use()


def test_a_revoked_host_key_is_refused_though_it_is_known(login, lock_host):
    login.know(f"{name(lock_host)} {lock_host.host_key()}", f"@revoked * {lock_host.host_key()}")
    with pytest.raises(StoreRefusedError, match="is revoked"):
        login.use()


def test_a_host_authority_is_not_believed_and_that_is_said(login, lock_host):
    login.know(f"@cert-authority * {lock_host.host_key()}")
    with pytest.raises(StoreRefusedError, match="is not known") as caught:
        login.use()
    assert "@cert-authority" in caught.value.hint


@pytest.mark.parametrize("type_", sshd.TYPES)
def test_a_host_with_several_keys_is_asked_for_the_known_one(login, lock_host, type_):
    login.know(f"{name(lock_host)} {lock_host.host_key(type_)}")
    assert login.use().version == 1


def test_hashed_names_are_understood(login, lock_host):
    subprocess.run(
        ["ssh-keygen", "-q", "-H", "-f", f"{login.ssh}/known_hosts"], check=True, capture_output=True
    )
    with open(f"{login.ssh}/known_hosts", encoding="ascii") as file:
        assert file.read().startswith("|1|")
    assert login.use().version == 1


@pytest.mark.parametrize(("names", "fits"), [
    ("[127.0.0.*]:*", True), ("other,[127.0.0.1]:{port}", True), ("127.0.0.1", False), ("[127.0.0.1]:1", False),
    ("*,![127.0.0.1]:{port}", False), ("[127.0.0.?]:{port}", True),
])  # fmt: skip
def test_names_are_patterns_and_a_port_is_part_of_them(login, lock_host, names, fits):
    login.know(f"{names.format(port=lock_host.port)} {lock_host.host_key()}")
    if fits:
        assert login.use().version == 1
    else:
        with pytest.raises(StoreRefusedError):
            login.use()


def test_lines_that_are_no_keys_disturb_nobody(login, lock_host):
    login.know(
        "# a note",
        "",
        "nonsense",
        "host ssh-ed25519 !!",
        "@revoked",
        f"{name(lock_host)} {lock_host.host_key()}",
    )
    assert login.use().version == 1


def test_a_refused_host_is_not_asked_again(login):
    login.know()
    with pytest.raises(StoreRefusedError):
        login.use()
    assert login.clock.now_boot == 1000.0


# Keys


def test_a_key_that_is_not_accepted_is_forbidden_named_and_not_tried_again(login):
    login.new_key(is_accepted=False)
    with pytest.raises(StoreForbiddenError, match="id_ed25519 was refused"):
        login.use()
    assert login.clock.now_boot == 1000.0


def test_without_any_key_that_is_said(login):
    os.remove(login.key)
    with pytest.raises(StoreForbiddenError, match="there is none"):
        login.use()


@pytest.mark.parametrize("type_", sshd.TYPES)
def test_every_kind_of_key_is_accepted(login, type_):
    os.remove(login.key)
    login.new_key(f"id_{type_}", type_)
    assert login.use().version == 1


def test_the_second_key_is_tried_when_the_first_is_refused(login):
    login.new_key("id_ecdsa", "ecdsa")
    login.new_key(is_accepted=False)
    assert login.use().version == 1


def test_a_key_file_that_others_can_read_is_told_once_a_day(login):
    os.chmod(login.key, 0o640)
    assert login.use().version == 1
    login.use()
    (warning,) = login.warnings
    assert f"chmod 600 {login.key}" in warning
    login.clock.ahead = 90000.0
    login.use()
    assert len(login.warnings) == 2


def test_a_key_with_a_passphrase_is_told_where_no_agent_holds_it(login):
    login.new_key(passphrase="secret words")
    with pytest.raises(StoreForbiddenError, match="has a passphrase, and no agent holds it") as caught:
        login.use()
    assert "secret" not in str(caught.value)


@pytest.fixture
def agent(login, monkeypatch):
    path = f"{login.place}/agent"
    started = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    from processes import wait_until

    wait_until(lambda: os.path.exists(path), "the agent")
    monkeypatch.setenv("SSH_AUTH_SOCK", path)
    yield lambda file: subprocess.run(["ssh-add", "-q", file], check=True, capture_output=True)
    started.send_signal(signal.SIGTERM)
    started.wait()


def test_an_agent_is_asked(login, agent):
    agent(login.key)
    os.remove(login.key)
    assert login.use().version == 1


def test_an_agent_gives_the_key_whose_file_has_a_passphrase(login, agent):
    agent(login.key)
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", "secret words", "-f", login.key], check=True, capture_output=True
    )
    login.write("config", "IdentityFile ~/.ssh/id_ed25519", "IdentitiesOnly yes")
    assert login.use().version == 1


def test_an_agent_that_is_not_there_is_no_matter(login, monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nonexistent")
    assert login.use().version == 1


def certify(login, key, principal):
    """Have an authority of the test sign a certificate with which a key is let in as that user."""
    sshd.keygen(f"{login.place}/authority")
    sign = ["ssh-keygen", "-q", "-s", f"{login.place}/authority", "-I", "x", "-n", principal]
    subprocess.run([*sign, f"{key}.pub"], check=True)


def test_a_certificate_lets_its_key_in(login, lock_host):
    key = login.new_key(is_accepted=False)
    certify(login, key, lock_host.user)
    with (
        open(f"{login.place}/authority.pub", encoding="ascii") as file,
        open(lock_host.authorized, "a") as accepted,
    ):
        accepted.write(f"cert-authority {file.read()}")
    assert login.use().version == 1
    os.rename(f"{key}-cert.pub", f"{login.ssh}/elsewhere-cert.pub")
    login.write("config", "CertificateFile ~/.ssh/elsewhere-cert.pub")
    assert login.use().version == 2


def test_a_certificate_that_is_not_accepted_does_not_keep_its_key_out(login, lock_host):
    certify(login, login.key, "other")
    assert os.path.exists(f"{login.key}-cert.pub")
    assert login.use().version == 1


def test_a_key_of_a_kind_that_is_not_supported_does_not_keep_another_out(login):
    """Such as one whose private part is in a device."""
    kind = _string(b"sk-ssh-ed25519@openssh.com")
    public = kind + _string(bytes(32)) + _string(b"ssh:")
    secret = bytes(8) + public + b"\x01" + _string(b"handle") + _string(b"") + _string(b"comment")
    secret += bytes(range(1, 1 + -len(secret) % 8))
    none = _string(b"none")
    blob = b"openssh-key-v1\0" + none + none + _string(b"") + b"\0\0\0\1" + _string(public) + _string(secret)
    body = base64.b64encode(blob).decode()
    login.write(
        "of_a_device", "-----BEGIN OPENSSH PRIVATE KEY-----", body, "-----END OPENSSH PRIVATE KEY-----"
    )
    os.chmod(f"{login.ssh}/of_a_device", 0o600)
    login.write("config", "IdentityFile ~/.ssh/of_a_device", "IdentityFile ~/.ssh/id_ed25519")
    assert login.use().version == 1


def _string(value):
    return len(value).to_bytes(4, "big") + value


def test_a_login_that_hangs_after_a_key_was_refused_is_made_again(login, lock_host, monkeypatch):
    """It is no refusal: the host may be frozen at just that moment."""
    login.new_key("id_ecdsa", "ecdsa")
    login.new_key(is_accepted=False)
    log_in, offered = Transport.auth_publickey, []

    def auth_publickey(transport, user, key):
        offered.append(key.get_name())
        if len(offered) == 2:
            lock_host.freeze()
            login.clock.meanwhile.append(lock_host.thaw)
        return log_in(transport, user, key)

    monkeypatch.setattr(Transport, "auth_publickey", auth_publickey)
    with closing(login.open(patience=6.0)) as backend:
        assert backend.swap(backend.read(KEY), b"data").version == 1
    assert len(offered) == 4


def test_an_agent_that_is_silent_is_told_in_time(login, monkeypatch):
    monkeypatch.setattr("cronguard.backends.sshkeys._AGENT", 0.2)
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(f"{login.place}/agent")
        agent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", f"{login.place}/agent")
        os.remove(login.key)
        with pytest.raises(StoreForbiddenError, match="the agent does not answer"):
            login.use()
    assert socket.getdefaulttimeout() is None


@pytest.mark.parametrize(
    "url",
    ["ssh://me:pa55word@127.0.0.1/x", "ssh://me:@h/x", "sftp://me:pa55word@h/x", "ssh://me:pa55word/+@h/x"],
)
def test_a_password_in_the_url_is_refused_and_not_shown(login, url):
    with pytest.raises(ConfigError) as caught:
        login.use(url)
    assert "password" in str(caught.value)
    assert "pa55word" not in f"{caught.value} {caught.value.hint}"


# ~/.ssh/config


def test_host_user_port_key_and_known_hosts_come_from_the_configuration(login, lock_host):
    os.rename(login.key, f"{login.ssh}/special")
    os.rename(f"{login.ssh}/known_hosts", f"{login.ssh}/locks_known")
    login.write(
        "config", "Host locks", "HostName 127.0.0.1", f"Port {lock_host.port}", f"User {lock_host.user}",
        "IdentityFile ~/.ssh/special", "UserKnownHostsFile ~/.ssh/locks_known", "Host *", "User nobody",
    )  # fmt: skip
    assert login.use(f"ssh://locks{login.place}/share").version == 1


def test_the_url_outweighs_the_configuration(login, lock_host):
    login.write("config", "Host *", "Port 1", "User nobody")
    assert login.use().version == 1


def test_one_goes_through_as_many_hosts_as_the_configuration_says(login, lock_host):
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
    (["Host *", "ProxyJump 127.0.0.1"], "has no end"), (["ProxyCommand nc %h %p"], "ProxyCommand"), (["Port x"], "Port x"),
    (["Match exec true", "User x"], "Match exec"), (["nonsense"], "nonsense"),
    (["Include more"], "Include"), (["RevokedHostKeys ~/.ssh/revoked"], "@revoked"),
])  # fmt: skip
def test_what_is_not_understood_in_the_configuration_is_refused_with_a_reason(login, lock_host, lines, told):
    login.write("config", *lines)
    with pytest.raises(ConfigError) as caught:
        login.use(f"ssh://127.0.0.1{login.place}/share")
    assert told in f"{caught.value} {caught.value.hint}"


# The host


def test_an_address_of_version_6_is_taken_in_brackets(login, lock_host):
    login.know(f"[::1]:{lock_host.port} {lock_host.host_key()}")
    assert login.use(f"ssh://{lock_host.user}@[::1]:{lock_host.port}{login.place}/share").version == 1


def test_a_host_that_nobody_listens_on_is_tried_until_patience_is_over(login):
    with pytest.raises(BackendError, match="Connection refused") as caught:
        login.use(f"ssh://127.0.0.1:{free_port()}{login.place}/share")
    assert not isinstance(caught.value, StoreRefusedError)
    assert 1005.0 < login.clock.now_boot < 1030.0  # a pause of chance that would be too long ends it sooner


def test_a_name_that_no_host_can_have_is_a_mistake_in_the_configuration(login):
    with pytest.raises(ConfigError, match=r"locks\.\.example"):
        login.use("ssh://locks..example.org/share")


def test_name_servers_that_do_not_answer_are_told_in_time(login, monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(60) and [])
    with pytest.raises(BackendError, match=r"127\.0\.0\.1, port .*name servers"):
        login.open(patience=0.6)
    answer.set()


def test_a_server_that_cannot_bring_data_to_its_disk_is_refused(login, monkeypatch):
    monkeypatch.setattr("cronguard.backends.sftp._FSYNC", b"fsync@example.org")
    with pytest.raises(StoreRefusedError, match="cannot bring data to its disk"):
        login.use()


def test_an_account_without_sftp_is_told(login, lock_host):
    lock_host.authorized.write_text(f'command="echo hello" {lock_host.authorized.read_text()}')
    with pytest.raises(BackendError, match="SFTP"):
        login.use()


def test_a_connection_that_is_gone_is_made_again(login, lock_host):
    backend = login.open()
    backend.swap(backend.read(KEY), b"one")
    lock_host.stop()
    lock_host.start()
    assert backend.swap(backend.read(KEY), b"two").version == 2
    backend.close()
