"""Which lock hosts are trusted."""

import os
import subprocess

import pytest
import sshd

from cronguard.system.errors import StoreRefusedError


def name(host):
    return f"[127.0.0.1]:{host.port}"


def fingerprint(host, type_="ed25519"):
    shown = subprocess.run(
        ["ssh-keygen", "-lf", f"{host.folder}/host_{type_}.pub"], capture_output=True, text=True, check=True
    )
    return shown.stdout.split()[1]


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
    assert "impersonating that host" in caught.value.hint


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


def test_a_host_authority_is_not_trusted_and_the_hint_says_so(login, lock_host):
    login.know(f"@cert-authority * {lock_host.host_key()}")
    with pytest.raises(StoreRefusedError, match="is not known") as caught:
        login.use()
    assert "@cert-authority" in caught.value.hint


@pytest.mark.parametrize("type_", sshd.TYPES)
def test_the_known_key_is_requested_from_a_host_with_several(login, lock_host, type_):
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


def test_lines_without_a_key_are_ignored(login, lock_host):
    login.know(
        "# a note",
        "",
        "nonsense",
        "host ssh-ed25519 !!",
        "@revoked",
        f"{name(lock_host)} {lock_host.host_key()}",
    )
    assert login.use().version == 1


def test_a_refused_host_is_not_tried_again(login):
    login.know()
    with pytest.raises(StoreRefusedError):
        login.use()
    assert login.clock.now_boot == 1000.0
