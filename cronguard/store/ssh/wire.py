"""The encoding of SFTP, version 3 (draft-ietf-secsh-filexfer-02)."""

import errno
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE, FSTAT, SETSTAT = 3, 4, 5, 6, 8, 9
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, STAT, RENAME = 11, 12, 13, 14, 15, 17, 18
EXTENDED, EXTENDED_REPLY = 200, 201
STATUS, HANDLE, DATA, NAME, ATTRS = 101, 102, 103, 104, 105
OK, EOF = 0, 1
FOR_READING, FOR_WRITING, CREATE, EXCLUSIVE = 1, 2, 8, 32
_SIZE, _OWNER, _MODE, _TIMES = 1, 2, 4, 8

# Version 3 has codes only for these. Every other error is "failure" (4), even "exists".
_NUMBERS = {2: errno.ENOENT, 3: errno.EACCES, 5: errno.EINVAL, 8: errno.ENOTSUP}


class Attributes(NamedTuple):
    """What the server reports about a file or directory; `modified` in whole seconds of its clock."""

    mode: int
    uid: int
    gid: int
    size: int
    modified: int


class Reader:
    """Parses a message from its start. Raises ConnectionError for one that is cut short."""

    def __init__(self, message: bytes) -> None:
        self.rest = message

    def number(self) -> int:
        """Return the next 32 bits."""
        return int.from_bytes(self._take(4), "big")

    def string(self) -> bytes:
        """Return the next string."""
        return self._take(self.number())

    def pairs(self) -> Iterator[bytes]:
        """Yield the names from name-value pairs, for example extensions."""
        while self.rest:
            yield self.string()
            self.string()

    def names(self) -> list[bytes]:
        """Return the names of a listing."""
        found = []
        for _ in range(self.number()):
            found.append(self.string())
            self.string()
            self.attributes()
        return found

    def attributes(self) -> Attributes:
        """Return a file's attributes; those that the server does not send are 0."""
        flags = self.number()
        size = int.from_bytes(self._take(8), "big") if flags & _SIZE else 0
        uid, gid = (self.number(), self.number()) if flags & _OWNER else (0, 0)
        mode = self.number() if flags & _MODE else 0
        _, modified = (self.number(), self.number()) if flags & _TIMES else (0, 0)
        return Attributes(mode, uid, gid, size, modified)

    def is_full(self) -> bool:
        """Return whether a file system has no blocks or no inodes left for ordinary users."""
        numbers = struct.unpack(">11Q", self._take(88))
        return 0 in (numbers[4], numbers[7] if numbers[5] else 1)

    def _take(self, count: int) -> bytes:
        if len(self.rest) < count:
            raise ConnectionError("the SFTP server sent a message that is cut short")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken


class Answer(NamedTuple):
    """A server's answer to one request."""

    kind: int
    body: bytes

    def read(self, kind: int) -> Reader:
        """Return the content of an answer of this kind; raises OSError for an error that came instead."""
        if self.kind == STATUS != kind or (self.kind == STATUS and self.status != OK):
            raise self._error()
        if self.kind != kind:
            raise ConnectionError(f"the SFTP server sent an answer of kind {self.kind} instead of {kind}")
        return Reader(self.body)

    @property
    def status(self) -> int | None:
        """The number of a status."""
        return Reader(self.body).number() if self.kind == STATUS else None

    def _error(self) -> OSError:
        told = Reader(self.body)
        number = _NUMBERS.get(told.number(), errno.EIO)
        text = told.string().decode(errors="replace") if number == errno.EIO else os.strerror(number)
        return OSError(number, text or "failure")


def packet(kind: int, payload: bytes) -> bytes:
    """Return a complete message."""
    return struct.pack(">IB", len(payload) + 1, kind) + payload


def number(value: int) -> bytes:
    """Return 32 bits."""
    return struct.pack(">I", value)


def string(value: bytes) -> bytes:
    """Return a string."""
    return number(len(value)) + value


def path(value: str) -> bytes:
    """Return a path."""
    return string(os.fsencode(value))


def mode(value: int) -> bytes:
    """Return attributes of which only the mode is given."""
    return struct.pack(">II", _MODE, value)


def owner(uid: int, gid: int) -> bytes:
    """Return attributes of which only user and group are given; they come together or not at all."""
    return struct.pack(">III", _OWNER, uid, gid)


def span(offset: int, length: int) -> bytes:
    """Encode which part of a file to read."""
    return struct.pack(">QI", offset, length)


def part(offset: int, data: bytes) -> bytes:
    """Encode the data to write and the place for it."""
    return struct.pack(">Q", offset) + string(data)
