"""The address of an SSH lock host in a backend URL."""

from typing import NamedTuple

from cronguard.system.errors import ConfigError

_FORM = "write ssh://user@host/path or ssh://user@[::1]:2222/path"
_HOST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
_IPV6 = frozenset("0123456789abcdefABCDEF:.%") | _HOST  # a zone, as in fe80::1%eth0, is a name


class Address(NamedTuple):
    """Where to connect. A field that is None is left to ~/.ssh/config and its defaults. `path` is absolute."""

    host: str
    user: str | None = None
    port: int | None = None
    path: str = "/"

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Parse `ssh://[user@]host[:port]/path`. Raises ConfigError, which never shows a password."""
        rest = url.partition("://")[2]
        place, slash, path = rest.partition("/")
        if not url.startswith("ssh://") or not slash:
            raise ConfigError(f"backend: {url!r} does not name a host and an absolute path", _FORM)
        if "\0" in path or ".." in path.split("/"):
            raise ConfigError(f"backend: {url!r} needs an absolute path without '..'", _FORM)
        return cls.of(place, url)._replace(path=f"/{path}".rstrip("/") or "/")

    @classmethod
    def of(cls, place: str, source: str) -> "Address":
        """Parse `[user@]host[:port]`; `source` is the text as it was written, for the ConfigError."""
        user, at, end = place.rpartition("@")
        if ":" in user:
            raise ConfigError(
                "ssh: an address must not contain a password", "use a key: ssh-keygen, ssh-copy-id"
            )
        host, port = _host_and_port(end)
        if not host or (at and not user) or not user.isprintable():
            raise ConfigError(f"backend: {source!r} does not name a valid host", _FORM)
        if port is not None and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ConfigError(f"backend: {source!r}: {port!r} is not a valid port", _FORM)
        return cls(host, user or None, int(port) if port else None)


def _host_and_port(text: str) -> tuple[str, str | None]:
    """Return the host and the port; the host is empty if it is not valid."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        is_fine = bracket and ":" in host and set(host) <= _IPV6 and (not rest or rest.startswith(":"))
        return (host if is_fine else ""), (rest[1:] if rest else None)
    host, colon, port = text.partition(":")
    return (host if set(host) <= _HOST and not host.startswith("-") else ""), (port if colon else None)
