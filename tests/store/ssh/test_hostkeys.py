import base64
import hashlib
import hmac

import pytest

from cronguard.store.ssh.hostkeys import HostKey, KnownHosts, known_as
from cronguard.system.errors import StoreRefusedError

KEY = HostKey("ssh-ed25519", b"blob")
OTHER = HostKey("ssh-ed25519", b"other blob")


@pytest.fixture
def known(tmp_path):
    """Return the known hosts of a file with these lines."""

    def make(*lines):
        file = tmp_path / "known_hosts"
        file.write_text("".join(f"{line}\n" for line in lines))
        return KnownHosts([str(file)])

    return make


def hashed(name):
    salt = b"0123456789abcdef0123"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


def is_believed(hosts, name="locks", key=KEY):
    try:
        hosts.check(name, key)
    except StoreRefusedError:
        return False
    return True


@pytest.mark.parametrize(("names", "name", "fits"), [
    ("locks", "locks", True),
    ("Locks", "locks", True),
    ("other,locks", "locks", True),
    ("lock?", "locks", True),
    ("*.example.org", "locks.example.org", True),
    ("*.example.org", "locks", False),
    ("*,!locks", "locks", False),
    ("!other,*", "locks", True),
    ("!locks", "locks", False),
    ("locks", "[locks]:2222", False),
    ("[locks]:2222", "[locks]:2222", True),
    ("[locks]:2222", "locks", False),
    ("[ab]", "a", False),
    (hashed("locks"), "locks", True),
    (hashed("locks"), "other", False),
    ("|1|nonsense", "locks", False),
])  # fmt: skip
def test_a_key_is_valid_for_the_names_before_it(known, names, name, fits):
    assert is_believed(known(f"{names} {KEY} a comment"), name) is fits


def test_a_key_of_another_host_is_not_trusted(known):
    assert not is_believed(known(f"other {KEY}", f"locks {OTHER}"))


def test_any_of_several_keys_of_a_host_is_trusted(known):
    hosts = known(f"locks {OTHER}", f"locks {KEY}")
    assert is_believed(hosts)
    assert is_believed(hosts, key=OTHER)


def test_a_revoked_key_is_not_trusted_whatever_the_order_of_the_lines(known):
    assert not is_believed(known(f"@revoked * {KEY}", f"locks {KEY}"))
    assert not is_believed(known(f"locks {KEY}", f"@revoked locks {KEY}"))
    assert is_believed(known(f"locks {KEY}", f"@revoked other {KEY}", f"@revoked * {OTHER}"))


def test_a_key_of_an_authority_is_not_a_key_of_the_host(known):
    hosts = known(f"@cert-authority * {KEY}")
    assert not is_believed(hosts)
    assert hosts.types("locks") == []


def test_the_types_of_the_known_keys_are_returned(known):
    hosts = known(f"locks {KEY}", "locks ssh-rsa AAAA", f"@revoked locks {OTHER}")
    assert hosts.types("locks") == ["ssh-ed25519", "ssh-rsa"]


def test_missing_files_hold_no_keys(tmp_path):
    assert not is_believed(KnownHosts([str(tmp_path / "none")]))


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    """It may revoke a key."""
    with pytest.raises(StoreRefusedError):
        KnownHosts([str(tmp_path)])


@pytest.mark.parametrize(("host", "port", "name"), [
    ("Locks", 22, "locks"), ("locks", 2222, "[locks]:2222"), ("::1", 22, "::1"), ("::1", 23, "[::1]:23"),
])  # fmt: skip
def test_a_port_other_than_22_is_part_of_the_name(host, port, name):
    assert known_as(host, port) == name
