"""Read and install this user's crontab with the crontab command."""

import errno
import os
import subprocess
from contextlib import suppress

from cronguard.system.errors import ConfigError

_MOST = 1000  # copies within one second


def read_crontab() -> bytes:
    """Return the installed crontab unchanged.

    Raises ConfigError, with the crontab command's own message, if there is none or it cannot be read.
    """
    return _crontab(["-l"])


def install_crontab(text: bytes, folder: str, stamp: str, expected: bytes | None = None) -> str | None:
    """Replace the installed crontab, and return the path of the backup copy, or None if there was no old crontab.

    The copy is made in `folder` first, and named after the user and `stamp`. Raises ConfigError, and leaves the old
    crontab in place, if cron refuses the new one or the old one is not the `expected` one.
    """
    try:
        old = read_crontab()
    except ConfigError:  # a first crontab replaces nothing
        old = b""
    if expected is not None and old != expected:
        raise ConfigError("the crontab has changed since it was read", "nothing was written; try again")
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
            f"cannot back up the crontab to {path}: {error.strerror}", "the crontab was not changed"
        ) from error
    return path


def _new_file(path: str) -> tuple[int, str]:
    for name in (path, *(f"{path}-{number}" for number in range(2, _MOST))):
        with suppress(FileExistsError):  # another copy was made within this second
            return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), name
    raise FileExistsError(errno.EEXIST, "all names for this second are taken")


def _crontab(arguments: list[str], text: bytes | None = None) -> bytes:
    command = ["crontab", *arguments]
    given = subprocess.DEVNULL if text is None else None
    try:
        done = subprocess.run(command, input=text, stdin=given, capture_output=True, check=False)
    except OSError as error:
        raise ConfigError(f"cannot run the crontab command: {error.strerror}", "install cron") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise ConfigError(f"'{' '.join(command)}' failed: {said}")
    return done.stdout
