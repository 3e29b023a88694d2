"""Read a crontab from the user's own, a file or standard input, and write it back."""

import os
import pwd
import shutil
import sys
import tempfile
from contextlib import suppress
from typing import NamedTuple

from cronguard.crontab.installed import install_crontab, keep, read_crontab
from cronguard.crontab.lines import is_entry, parse_entry
from cronguard.crontab.names import clean
from cronguard.system.errors import ConfigError, UsageError

OWN, STDIN = "", "-"
_SYSTEM_FILE, _SYSTEM_FOLDER = "/etc/crontab", "/etc/cron.d"


class Source(NamedTuple):
    """A crontab as it was read. `ns` is a namespace for its jobs, the same on every node."""

    where: str
    content: bytes
    system: bool
    ns: str

    @property
    def title(self) -> str:
        """How messages name the crontab."""
        return {OWN: "crontab", STDIN: "standard input"}.get(self.where, self.where)

    @property
    def text(self) -> str:
        """The content as text that can hold any bytes."""
        return self.content.decode(errors="surrogateescape")


def read_source(where: str, *, system: bool | None) -> Source:
    """Read the crontab at a path, STDIN or OWN. If `system` is None, its path and lines decide whether it names users.

    Raises ConfigError if it cannot be read, UsageError if it is empty.
    """
    content = _content(where)
    if not content.strip():
        raise UsageError(
            f"{where or 'the crontab'} is empty" if where != STDIN else "standard input is empty",
            "name a file, or omit it to use your own crontab",
        )
    if where in (OWN, STDIN):
        return Source(where, content, _names_users(content) if system is None else system, _user())
    real = os.path.realpath(where)
    is_system = os.path.dirname(real) == _SYSTEM_FOLDER or real == _SYSTEM_FILE
    ns = _user()
    if is_system:  # another file may have a temporary name, which differs between nodes
        ns = "etc-crontab" if real == _SYSTEM_FILE else "cron.d-" + clean(os.path.basename(real))
    return Source(where, content, is_system or _names_users(content) if system is None else system, ns)


def write_back(source: Source, new: bytes, folder: str, stamp: str) -> str | None:
    """Replace the crontab's content, and return the path of the backup copy, which is made in `folder` first.

    Raises ConfigError, and changes nothing, if it cannot be backed up or written, or has changed since it was read.
    """
    if source.where in (OWN, STDIN):
        expected = source.content if source.where == OWN else None
        return install_crontab(new, folder, stamp, expected)
    if _content(source.where) != source.content:
        raise ConfigError(f"{source.where} has changed since it was read", "nothing was written; try again")
    path = os.path.realpath(source.where)
    kept = keep(source.content, folder, f"{os.path.basename(path)}-{stamp}")
    try:
        _replace(path, new)
    except OSError as error:
        raise ConfigError(f"cannot replace {path}: {error.strerror}", "the file was not changed") from error
    return kept


def _replace(path: str, new: bytes) -> None:
    folder = os.path.dirname(path)
    fd, aside = tempfile.mkstemp(prefix=".cronguard-", dir=folder)  # cron ignores names with a dot
    try:
        with open(fd, "wb") as file:
            file.write(new)
            file.flush()
            was = os.stat(path)
            os.fchown(fd, was.st_uid, was.st_gid)
            shutil.copystat(path, aside)  # mode and attributes, including the security label
            os.utime(aside)  # cron reloads a file when its modification time has changed
            os.fsync(fd)
        os.replace(aside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(aside)
        raise
    opened = os.open(folder, os.O_RDONLY)
    os.fsync(opened)
    os.close(opened)


def _content(where: str) -> bytes:
    if where == OWN:
        return read_crontab()
    if where == STDIN:
        return sys.stdin.buffer.read()
    try:
        with open(where, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(
            f"{where}: {error.strerror}", "name a crontab, or omit it to use your own"
        ) from error


def _names_users(content: bytes) -> bool:
    """Return whether each line that runs something names an existing user before its command, and one names root."""
    lines = content.decode(errors="surrogateescape").split("\n")
    users = set()
    for line in filter(is_entry, lines):
        try:
            users.add(parse_entry(line, system=True).between.split()[0])
        except UsageError:
            return False
    return "root" in users and all(map(_is_user, users))


def _is_user(name: str) -> bool:
    try:
        return bool(pwd.getpwnam(name))
    except (KeyError, ValueError):
        return False


def _user() -> str:
    try:
        return clean(pwd.getpwuid(os.geteuid()).pw_name) or "default"
    except KeyError:
        return "default"
