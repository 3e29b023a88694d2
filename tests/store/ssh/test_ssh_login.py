"""Which keys a lock host accepts."""

import base64
import os
import signal
import socket
import subprocess
from contextlib import closing

import pytest
import sshd
from paramiko import Transport
from stores import KEY

from cronguard.system.errors import ConfigError, StoreForbiddenError


def test_a_refused_key_is_forbidden_named_and_not_tried_again(login):
    login.new_key(is_accepted=False)
    with pytest.raises(StoreForbiddenError, match="id_ed25519 was refused"):
        login.use()
    assert login.clock.now_boot == 1000.0


def test_a_login_without_any_key_says_so(login):
    os.remove(login.key)
    with pytest.raises(StoreForbiddenError, match="there is no key"):
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


def test_a_key_file_that_others_can_read_is_reported_once_a_day(login):
    os.chmod(login.key, 0o640)
    assert login.use().version == 1
    login.use()
    (warning,) = login.warnings
    assert f"chmod 600 {login.key}" in warning
    login.clock.ahead = 90000.0
    login.use()
    assert len(login.warnings) == 2


def test_a_key_with_a_passphrase_is_reported_if_no_agent_holds_it(login):
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


def test_the_keys_of_an_agent_are_used(login, agent):
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


def test_a_missing_agent_does_no_harm(login, monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nonexistent")
    assert login.use().version == 1


def certify(login, key, principal):
    """Let an authority of the test sign a certificate for a key, valid for one user."""
    sshd.keygen(f"{login.place}/authority")
    sign = ["ssh-keygen", "-q", "-s", f"{login.place}/authority", "-I", "x", "-n", principal]
    subprocess.run([*sign, f"{key}.pub"], check=True)


def test_a_certificate_makes_its_key_acceptable(login, lock_host):
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


def test_a_key_is_accepted_without_its_certificate_if_that_is_refused(login, lock_host):
    certify(login, login.key, "other")
    assert os.path.exists(f"{login.key}-cert.pub")
    assert login.use().version == 1


def test_after_a_key_of_an_unsupported_type_the_next_one_is_tried(login):
    """For example a key whose private part is in a device."""
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


def test_a_login_that_hangs_after_a_refused_key_is_tried_again(login, lock_host, monkeypatch):
    """This is not a refusal: the host may have been frozen at that moment."""
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


def test_an_agent_that_does_not_answer_is_reported_in_time(login, monkeypatch):
    monkeypatch.setattr("cronguard.store.ssh.keys._AGENT", 0.2)
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
