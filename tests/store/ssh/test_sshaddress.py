import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronguard.store.contract import scheme_of
from cronguard.store.ssh.address import Address
from cronguard.system.errors import ConfigError


@pytest.mark.parametrize(("url", "address"), [
    ("ssh://locks/a/b", Address("locks", None, None, "/a/b")),
    ("ssh://me@locks.example.org:2222/a/", Address("locks.example.org", "me", 2222, "/a")),
    ("ssh://me@[2001:db8::1]/a", Address("2001:db8::1", "me", None, "/a")),
    ("ssh://[fe80::1%eth0]:22/a", Address("fe80::1%eth0", None, 22, "/a")),
    ("ssh://me@example.org@locks/a", Address("locks", "me@example.org", None, "/a")),
    ("ssh://locks/", Address("locks", None, None, "/")),
])  # fmt: skip
def test_an_address_is_read(url, address):
    assert Address.parse(url) == address


@pytest.mark.parametrize("url", [
    "ssh://locks", "ssh:///a", "ssh:/a", "ssh://@locks/a", "ssh://me@/a", "ssh://locks:/a", "ssh://locks:x/a",
    "ssh://locks:0/a", "ssh://locks:65536/a", "ssh://locks:٢٢/a", "ssh://-oProxyCommand=x/a", "ssh://[::1/a",
    "ssh://::1/a", "ssh://[::1]x/a", "ssh://[locks]/a", "ssh://locks/a/../b", "ssh://lo cks/a", "ssh://m\ne@locks/a",
    "ssh://locks/a\0b",
])  # fmt: skip
def test_a_malformed_address_is_refused_with_the_correct_form(url):
    with pytest.raises(ConfigError) as caught:
        Address.parse(url)
    assert "ssh://user@host/path" in caught.value.hint


@pytest.mark.parametrize("url", ["ssh://me:pa55@locks/a", "ssh://me:@locks/a", "nonsense://me:pa55@locks/a"])
def test_a_password_is_refused_and_never_shown(url):
    with pytest.raises(ConfigError) as caught:
        scheme_of(url)
    assert "pa55" not in f"{caught.value}{caught.value.hint}"
    assert "password" in str(caught.value)


@given(st.text())
def test_any_text_is_an_address_or_an_error_for_a_person(text):
    try:
        address = Address.parse(f"ssh://{text}")
    except ConfigError:
        return
    assert address.host
    assert address.path.startswith("/")
    assert ".." not in address.path.split("/")
