"""The crontab that this user has installed, through the crontab command."""

import errno
import os
import subprocess
from contextlib import suppress

from cronguard.system.errors import ConfigError

_MOST = 1000  # copies of one second


def read_crontab() -> bytes:
    """Return it as it is.

    Raises ConfigError, with what the crontab command says, if there is none or it cannot be read.
    """
    return _crontab(["-l"])


def install_crontab(text: bytes, folder: str, stamp: str, expected: bytes | None = None) -> str | None:
    """Replace it, after a copy to `folder`, named for the user and `stamp`; return the copy's path, if one was needed.

    Raises ConfigError if cron refuses the new one, or the old one is not the `expected`: then it is left as it was.
    """
    try:
        old = read_crontab()
    except ConfigError:  # a first crontab replaces nothing
        old = b""
    if expected is not None and old != expected:
        raise ConfigError("the crontab was changed meanwhile", "nothing was written; do it again")
    backup = keep(old, folder, f"crontab-{os.geteuid()}-{stamp}") if old else None
    _crontab(["-"], text)
    return backup


def keep(old: bytes, folder: str, name: str) -> str:
    """Write a copy that only its owner can read, and return its path; raises ConfigError if that cannot be done."""
    path = f"{folder}/{name}"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        fd, path = _new_file(path)
        with open(fd, "wb") as file:
            file.write(old)
            file.flush()
            os.fsync(fd)
    except OSError as error:
        raise ConfigError(
            f"the crontab cannot be kept in {path}: {error.strerror}", "it was not replaced"
        ) from error
    return path


def _new_file(path: str) -> tuple[int, str]:
    for name in (path, *(f"{path}-{number}" for number in range(2, _MOST))):
        with suppress(FileExistsError):  # another copy of this second
            return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), name
    raise FileExistsError(errno.EEXIST, "all names for this second are taken")


def _crontab(arguments: list[str], text: bytes | None = None) -> bytes:
    command = ["crontab", *arguments]
    given = subprocess.DEVNULL if text is None else None
    try:
        done = subprocess.run(command, input=text, stdin=given, capture_output=True, check=False)
    except OSError as error:
        raise ConfigError(f"the command crontab cannot be run: {error.strerror}", "install cron") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise ConfigError(f"'{' '.join(command)}' failed: {said}")
    return done.stdout
