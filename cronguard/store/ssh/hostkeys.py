"""Which host keys are trusted: known_hosts files, read as OpenSSH reads them."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from cronguard.system.errors import StoreRefusedError

_DEFAULT_PORT = 22


class HostKey(NamedTuple):
    """A public key of a host, as sent over the network."""

    type: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """The fingerprint as `ssh-keygen -l` shows it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.type} {base64.b64encode(self.blob).decode()}"


class _Line(NamedTuple):
    where: str  # file and line number
    marker: str
    names: str
    key: HostKey


class KnownHosts:
    """The lines of some known_hosts files. A person would add a new line to the first of them."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = list(files)
        self._lines = [line for file in self._files for line in _read(file)]

    def types(self, name: str) -> list[str]:
        """Return the types of a host's known keys, to request these: another type would look like a changed key."""
        return [line.key.type for line in self._about(name) if not line.marker]

    def check(self, name: str, key: HostKey) -> None:
        """Raise StoreRefusedError unless the key is known for the host and not revoked."""
        about = list(self._about(name))
        if revoked := [line for line in about if line.marker == "@revoked" and line.key.blob == key.blob]:
            raise StoreRefusedError(
                f"the host key of {name} ({key.fingerprint}) is revoked: {revoked[0].where}",
                "somebody may be impersonating that host; ask its administrator",
            )
        plain = [line for line in about if not line.marker]
        if any(line.key == key for line in plain):
            return
        file = self._files[0] if self._files else "~/.ssh/known_hosts"
        line = f"add to {file}: {name} {key}"
        if plain:
            raise StoreRefusedError(
                f"the host key of {name} is not the known one: it offers {key.type} {key.fingerprint}, "
                f"but known_hosts has {', '.join(f'{line.key.type} {line.key.fingerprint} ({line.where})' for line in plain)}",
                f"somebody may be impersonating that host; if its key was changed on purpose, remove the old line and {line}",
            )
        if any(line.marker == "@cert-authority" for line in about):
            line = f"host certificates (@cert-authority) are not supported, so {line}"
        raise StoreRefusedError(
            f"the host key of {name} is not known: {key.type} {key.fingerprint}",
            f"if ssh-keygen -lf on the host itself shows the same key, {line}",
        )

    def _about(self, name: str) -> Iterator[_Line]:
        return (line for line in self._lines if _matches(line.names, name))


def known_as(host: str, port: int) -> str:
    """Return the name of a host in known_hosts files."""
    return host.lower() if port == _DEFAULT_PORT else f"[{host.lower()}]:{port}"


def _read(file: str) -> Iterator[_Line]:
    try:
        with open(file, encoding="utf-8", errors="replace") as opened:
            lines = opened.readlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreRefusedError(
            f"{file}: {error.strerror}", "without known_hosts no host can be verified"
        ) from error
    for number, text in enumerate(lines, 1):
        if line := _parsed(text, f"{file}:{number}"):
            yield line


def _parsed(text: str, where: str) -> _Line | None:
    """Return a line's parts; None for a comment, or for a line that no key could match."""
    words = text.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#"):
        return None
    try:
        return _Line(where, marker, words[0], HostKey(words[1], base64.b64decode(words[2], validate=True)))
    except binascii.Error:
        return None


def _matches(names: str, name: str) -> bool:
    if names.startswith("|1|"):
        return _matches_hash(names, name)
    patterns = names.lower().split(",")
    # fnmatch would read the brackets of [host]:port as a set of letters.
    fits = [p for p in patterns if fnmatchcase(name, p.lstrip("!").replace("[", "[[]"))]
    return bool(fits) and not any(p.startswith("!") for p in fits)


def _matches_hash(hashed: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed.split("|")[2:4])
    except ValueError:  # binascii.Error is one, too
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
