"""The few requests to an SFTP server that a file port needs, sent several at a time.

A library's client is not used. It waits for each answer, and over a long line the number of round trips determines how
long a claim takes. It also does not report which extensions the server has.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from cronguard.store.contract import MAX_DATA
from cronguard.store.ssh import wire
from cronguard.store.ssh.wire import Answer, Attributes, Reader
from cronguard.system.errors import StoreRefusedError

_CHUNK = 32768  # bytes that every server must accept and send in one message
_LONGEST = 1 << 20  # bytes of a message; a listing of a hundred names has about 20 KiB
_FSYNC, _STATVFS = b"fsync@openssh.com", b"statvfs@openssh.com"
_NO_FLAGS = wire.number(0)

Request = tuple[int, bytes]


class Line(Protocol):
    """A connection's bytes. `send` and `receive` raise ConnectionError if it is lost, or silent for too long."""

    def send(self, data: bytes) -> None:
        """Send all of the data."""
        ...

    def receive(self) -> bytes:
        """Return the next bytes, at least one."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Sftp:
    """One SFTP session. All methods raise OSError, and ConnectionError when the session is lost."""

    def __init__(self, line: Line, host: str) -> None:
        """Raise StoreRefusedError for a server that cannot flush data to its disk."""
        self._line, self._host = line, host
        self._unread = b""
        self._number = 0
        line.send(wire.packet(wire.INIT, wire.number(3)))
        kind, body = self._receive()
        if kind != wire.VERSION:
            raise ConnectionError(f"{host} does not speak SFTP")
        body.number()
        self._extensions = set(body.pairs())
        if _FSYNC not in self._extensions:
            # Without it a power cut could undo an acknowledged publication, and a job would run twice.
            raise StoreRefusedError(
                f"the SFTP server of {host} cannot flush data to its disk: it does not support {_FSYNC.decode()}",
                "use OpenSSH's server, which has supported it since 6.5",
            )

    def stat(self, path: str) -> Attributes:
        """Return a path's attributes."""
        with self._errors(path):
            return self._ask((wire.STAT, wire.path(path)))[0].read(wire.ATTRS).attributes()

    def make(self, path: str, mode: int) -> Attributes:
        """Create a directory and return its attributes. Raises FileExistsError if it exists."""
        with self._errors(path):
            made, found = self._ask(
                (wire.MKDIR, wire.path(path) + wire.mode(mode)), (wire.STAT, wire.path(path))
            )
            if made.status != wire.OK and found.kind == wire.ATTRS:
                raise FileExistsError(errno.EEXIST, "it already exists")
            self._check(made, path)
            return found.read(wire.ATTRS).attributes()

    def change(self, path: str, attributes: bytes) -> None:
        """Set the mode, or user and group."""
        self._do(path, wire.SETSTAT, wire.path(path) + attributes)

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        with self._errors(path):
            handle = self._handle(wire.OPENDIR, wire.path(path))
            found: list[bytes] = []
            while True:
                # The second request reports that there are no more names.
                for answer in self._ask(*[(wire.READDIR, handle)] * 2):
                    if answer.status == wire.EOF:
                        self._send((wire.CLOSE, handle))
                        return [name.decode(errors="surrogateescape") for name in found if name.strip(b".")]
                    found += answer.read(wire.NAME).names()

    def read(self, path: str) -> bytes:
        """Return a file's content, if it is no larger than an entry may be."""
        with self._errors(path):
            handle = self._handle(wire.OPEN, wire.path(path) + wire.number(wire.FOR_READING) + _NO_FLAGS)
            spans = [(wire.READ, handle + wire.span(at, _CHUNK)) for at in range(0, MAX_DATA, _CHUNK)]
            size, *parts = self._ask((wire.FSTAT, handle), *spans)
            data, wanted = b"".join(map(_content, parts)), size.read(wire.ATTRS).attributes().size
            while len(data) < wanted <= MAX_DATA:  # a server may send less than was requested
                more = _content(self._ask((wire.READ, handle + wire.span(len(data), _CHUNK)))[0])
                if not more:
                    raise OSError(errno.EIO, "the file ends early")
                data += more
            self._send((wire.CLOSE, handle))
            if wanted > MAX_DATA:
                raise OSError(errno.EFBIG, "the file is larger than any cronguard record")
            return data

    def write(self, path: str, data: bytes, mode: int) -> Attributes:
        """Create a file that does not exist, flush it to the disk, and return its attributes."""
        with self._errors(path):
            flags = wire.number(wire.FOR_WRITING | wire.CREATE | wire.EXCLUSIVE)
            opened = self._ask((wire.OPEN, wire.path(path) + flags + wire.mode(mode)))[0]
            handle = wire.string(self._check(opened, path, wire.HANDLE).string())
            parts = [
                (wire.WRITE, handle + wire.part(at, data[at : at + _CHUNK]))
                for at in range(0, len(data), _CHUNK)
            ]
            *done, found, closed = self._ask(
                *parts, _fsync(handle), (wire.FSTAT, handle), (wire.CLOSE, handle)
            )
            for answer in (*done, closed):
                self._check(answer, path)
            return found.read(wire.ATTRS).attributes()

    def sync(self, path: str) -> None:
        """Flush a directory's entries to the disk: like a file, it can be opened for reading."""
        with self._errors(path):
            handle = self._handle(wire.OPEN, wire.path(path) + wire.number(wire.FOR_READING) + _NO_FLAGS)
            done = self._ask(_fsync(handle))[0]
            self._send((wire.CLOSE, handle))
            done.read(wire.STATUS)

    def rename(self, old: str, new: str) -> None:
        """Rename, but never replace an existing name.

        This is SSH_FXP_RENAME, which must fail if the new name exists. It is not posix-rename@openssh.com, whose
        purpose is to replace: a server other than OpenSSH's may do so by removing the existing name first.

        For a directory, OpenSSH's server checks whether the new name exists, and then calls rename(2). Another process
        may take the name in between. rename(2) decides, which is atomic and refuses to replace a directory that is not
        empty, as every version is.
        """
        self._do(old, wire.RENAME, wire.path(old) + wire.path(new))

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._do(path, wire.REMOVE, wire.path(path))

    def rmdir(self, path: str) -> None:
        """Remove an empty directory."""
        self._do(path, wire.RMDIR, wire.path(path))

    def close(self) -> None:
        """Close the session."""
        self._line.close()

    def _do(self, path: str, kind: int, payload: bytes) -> None:
        with self._errors(path):
            self._ask((kind, payload))[0].read(wire.STATUS)

    def _handle(self, kind: int, payload: bytes) -> bytes:
        return wire.string(self._ask((kind, payload))[0].read(wire.HANDLE).string())

    def _check(self, answer: Answer, path: str, kind: int = wire.STATUS) -> Reader:
        """Return the answer's content; if it reports only "failure", check whether the disk is full."""
        try:
            return answer.read(kind)
        except OSError as error:
            if error.errno == errno.EIO and _STATVFS in self._extensions:
                folder = wire.path(path.rpartition("/")[0])
                found = self._ask((wire.EXTENDED, wire.string(_STATVFS) + folder))[0]
                if found.kind == wire.EXTENDED_REPLY and Reader(found.body).is_full():
                    raise OSError(errno.ENOSPC, "no space is left on the lock host's disk") from error
            raise

    @contextmanager
    def _errors(self, path: str) -> Iterator[None]:
        """Add the host and the path to the server's errors."""
        try:
            yield
        except ConnectionError:
            raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"{self._host}:{path}") from error

    def _ask(self, *requests: Request) -> list[Answer]:
        """Send all requests at once, and return the answers in order. The server processes requests in order, too."""
        numbers = self._send(*requests)
        answers: dict[int, Answer] = {}
        while len(answers) < len(numbers):
            kind, body = self._receive()
            number = body.number()
            if number in numbers:  # otherwise nobody waits for this answer
                answers[number] = Answer(kind, body.rest)
        return [answers[number] for number in numbers]

    def _send(self, *requests: Request) -> range:
        """Send requests, and return their numbers."""
        first, self._number = self._number, self._number + len(requests)
        numbers = range(first, self._number)
        packets = [
            wire.packet(kind, wire.number(number) + payload)
            for number, (kind, payload) in zip(numbers, requests, strict=True)
        ]
        self._line.send(b"".join(packets))
        return numbers

    def _receive(self) -> tuple[int, Reader]:
        while len(self._unread) < 4 + self._length():
            self._unread += self._line.receive()
        end = 4 + self._length()
        message, self._unread = self._unread[4:end], self._unread[end:]
        return message[0], Reader(message[1:])

    def _length(self) -> int:
        """Return the length of the next message; 1 if even that has not arrived."""
        if len(self._unread) < 4:
            return 1
        length = int.from_bytes(self._unread[:4], "big")
        if not 0 < length <= _LONGEST:  # a greeting from a login script, for example
            raise ConnectionError(f"{self._host} does not speak SFTP")
        return length


def _content(answer: Answer) -> bytes:
    return b"" if answer.status == wire.EOF else answer.read(wire.DATA).string()


def _fsync(handle: bytes) -> Request:
    return wire.EXTENDED, wire.string(_FSYNC) + handle
