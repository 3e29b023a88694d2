"""The marker that this node has used a store. Without it, a run would start the store anew on an empty mount point.

It is safety, so doubt counts as a marker. It belongs to the store, whatever this node was called when it was made, and
it is looked for wherever this or an earlier version may have put it.
"""

import errno
import os
import signal
from collections.abc import Callable
from contextlib import suppress

from cronguard.system.descriptors import can_read, leave_all
from cronguard.system.errors import ConfigError
from cronguard.system.signals import fork, reap
from cronguard.system.statedir import StateDir, default_root, file_name

_LIMIT = 5.0  # seconds for state directories that may be on a file server; a disk answers within milliseconds
_USED = "this node has used it"


def remember(state: StateDir, url: str) -> None:
    """Record that this node has used this store, here and in the configured directory. A failure is ignored."""
    with suppress(OSError):
        if _is_marker(path := _path(state.base, url), url):
            return
        state.write(path, url.encode())
        if state.base != state.root:  # it may hang; and the one here is gone when the disk is cleaned up
            _in_time(lambda: _write(state, url))


def _write(state: StateDir, url: str) -> str:
    state.write(_path(state.root, url), url.encode())
    return ""


def trace_of_use(state: StateDir, url: str) -> str | None:
    """Return why this node counts as having used the store, in words; None if it has certainly not.

    If a directory cannot be read, or does not answer in time, the marker may be there.
    """
    try:
        if _is_in(state.base, url):
            return _USED
        return _in_time(lambda: next((_USED for place in _places(state) if _is_in(place, url)), "")) or None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return f"this node may have used it: the state directory cannot be read ({where}{error.strerror})"


def _places(state: StateDir) -> list[str]:
    """Return where the marker can be, apart from `base`: this directory may be new, and an older one may have it."""
    from cronguard.system.substitute import is_ours, place_of

    roots = [state.root]
    with suppress(ConfigError):
        if not _is_foreign(os.environ.get("XDG_STATE_HOME") or os.environ.get("HOME", "")):
            roots.append(default_root())
    substitutes = [place_of(root, os.geteuid()) for root in roots]
    return [*filter(is_ours, substitutes), *roots]


def _is_foreign(home: str) -> bool:
    """Return whether a home directory is another user's: sudo and runuser can leave HOME as it was."""
    try:
        return os.stat(home).st_uid != os.geteuid()
    except FileNotFoundError:
        return False


def _is_in(place: str, url: str) -> bool:
    """Return whether a state directory has the marker, under any node's name; raises OSError if it cannot be read."""
    try:
        nodes = os.listdir(f"{place}/node")
    except (FileNotFoundError, NotADirectoryError):
        nodes = []
    tops = [place, *(f"{place}/node/{node}" for node in nodes)]  # earlier versions had one for each node
    return any(_is_marker(_path(top, url), url) for top in tops)


def _path(top: str, url: str) -> str:
    return f"{top}/store/{file_name(url)}"


def _is_marker(path: str, url: str) -> bool:
    """Return whether there is a marker; an empty one was cut off by a full disk or a crash, and counts."""
    try:
        with open(path, "rb") as file:
            return file.read() in (b"", url.encode())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _in_time(work: Callable[[], str]) -> str:
    """Return what `work` returns. Raises OSError if it does, or if it takes too long: then its process is left behind."""
    reader, writer = os.pipe()
    try:
        pid = fork(lambda: _answer(work, writer))
    except OSError:
        os.close(reader)
        raise
    finally:
        os.close(writer)
    try:
        if not can_read(reader, _LIMIT):
            raise TimeoutError(errno.ETIMEDOUT, "it does not answer")
        mark, _, text = os.read(reader, 4096).decode("utf-8", "replace").partition(" ")
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        reap(pid)
    if mark != "answer":
        raise OSError(errno.EIO, text or "no answer")
    return text


def _answer(work: Callable[[], str], writer: int) -> None:
    from cronguard.system.linux import die_with_parent  # it costs milliseconds, and is rarely needed

    die_with_parent(signal.SIGKILL)
    leave_all(but=writer)  # an open copy of a link would hide its owner's death
    try:
        told = f"answer {work()}"
    except OSError as error:
        told = f"error {error.filename}: {error.strerror}"
    os.write(writer, told.encode("utf-8", "surrogateescape"))
