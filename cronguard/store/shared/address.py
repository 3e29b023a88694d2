"""The address of a server in a URL: `scheme://user@host:port,host:port/path?option=value`."""

import os
import stat
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from cronguard.config.sources import PASSWORD
from cronguard.store.url import without_secrets
from cronguard.system.errors import ConfigError


class Address(NamedTuple):
    """The parts of a URL. A password is never one of them: it comes from a file or from the variable PASSWORD."""

    scheme: str
    user: str
    hosts: tuple[tuple[str, int], ...]
    path: str
    options: dict[str, str]

    @property
    def where(self) -> str:
        """The hosts, as messages show them."""
        return ",".join(f"{host}:{port}" for host, port in self.hosts)

    def password(self, option: str = "password_file") -> str | None:
        """Return the password from the file that an option names, else from the variable; None if there is none.

        Raises ConfigError for a file that cannot be read, or that every user of this node can read.
        """
        path = self.options.get(option)
        return _first_line(path) if path else os.environ.get(PASSWORD) or None


def parse_address(url: str, default_port: int, known: tuple[str, ...]) -> Address:
    """Parse a URL; `known` lists the options that it may have.

    Raises ConfigError if the URL is malformed. The code that opens a backend has already refused a password in it.
    """
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    authority, _, path = place.partition("/")
    user, _, hosts = authority.rpartition("@")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in known:
            raise ConfigError(
                f"backend: {without_secrets(url)!r}: unknown option {name!r}",
                f"the known options are {', '.join(known)}",
            )
    return Address(scheme, unquote(user), _hosts(hosts, default_port, url), unquote(path), options)


def _hosts(text: str, default_port: int, url: str) -> tuple[tuple[str, int], ...]:
    found = []
    for part in text.split(","):
        host, _, port = part.rpartition(":") if _has_port(part) else (part, "", str(default_port))
        is_bare = ":" in host and not host.startswith("[")  # its last part would be taken for a port
        host = host.removeprefix("[").removesuffix("]")
        if not host or is_bare or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigError(
                f"backend: {without_secrets(url)!r}: {part!r} is not a host",
                "write host or host:port, with an IPv6 address in brackets",
            )
        found.append((host, int(port)))
    return tuple(found)


def _has_port(part: str) -> bool:
    return ":" in part.rpartition("]")[2]


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & stat.S_IRWXO:
                raise ConfigError(
                    f"{path}: every user of this node can read the password in it", f"chmod o= {path}"
                )
            return file.readline().rstrip("\r\n")
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else "the file is not UTF-8"
        raise ConfigError(
            f"{path}: {told}",
            "every user with guarded crontab lines must be able to read it, preferably through a group",
        ) from None
