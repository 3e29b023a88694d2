"""The few requests to an SFTP server that a file port needs, sent several at a time.

They are not left to a library's client: it waits for each answer, and the number of round trips is how long a claim
takes over a long line; and it does not tell which extensions the server has.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from cronguard.store.contract import MAX_DATA
from cronguard.store.ssh import wire
from cronguard.store.ssh.wire import Answer, Attributes, Reader
from cronguard.system.errors import StoreRefusedError

_CHUNK = 32768  # what every server must take and give in one message
_LONGEST = 1 << 20  # of a message; a listing of a hundred names has some 20 KiB
_FSYNC, _STATVFS = b"fsync@openssh.com", b"statvfs@openssh.com"
_NO_FLAGS = wire.number(0)

Request = tuple[int, bytes]


class Line(Protocol):
    """A connection's bytes. Both raise ConnectionError when it is lost, or silent for too long."""

    def send(self, data: bytes) -> None:
        """Send all of the data."""
        ...

    def receive(self) -> bytes:
        """Return the next bytes, at least one."""
        ...

    def close(self) -> None:
        """Let it go."""
        ...


class Sftp:
    """One SFTP session. All methods raise OSError, and ConnectionError when the session is lost."""

    def __init__(self, line: Line, host: str) -> None:
        """Raise StoreRefusedError for a server that cannot bring data to its disk."""
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
            # Without it a power cut could take back an acknowledged publication, and a job would run twice.
            raise StoreRefusedError(
                f"the SFTP server of {host} cannot bring data to its disk: it has no {_FSYNC.decode()}",
                "OpenSSH's server has it, since 6.5",
            )

    def stat(self, path: str) -> Attributes:
        """Return a path's attributes."""
        with self._errors(path):
            return self._ask((wire.STAT, wire.path(path)))[0].read(wire.ATTRS).attributes()

    def make(self, path: str, mode: int) -> Attributes:
        """Make a directory and return its attributes. Raises FileExistsError if there is one."""
        with self._errors(path):
            made, found = self._ask(
                (wire.MKDIR, wire.path(path) + wire.mode(mode)), (wire.STAT, wire.path(path))
            )
            if made.status != wire.OK and found.kind == wire.ATTRS:
                raise FileExistsError(errno.EEXIST, "it exists")
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
                for answer in self._ask(
                    *[(wire.READDIR, handle)] * 2
                ):  # the second says that there are no more
                    if answer.status == wire.EOF:
                        self._send((wire.CLOSE, handle))
                        return [name.decode(errors="surrogateescape") for name in found if name.strip(b".")]
                    found += answer.read(wire.NAME).names()

    def read(self, path: str) -> bytes:
        """Return a file's content, if that is no more than an entry may have."""
        with self._errors(path):
            handle = self._handle(wire.OPEN, wire.path(path) + wire.number(wire.FOR_READING) + _NO_FLAGS)
            spans = [(wire.READ, handle + wire.span(at, _CHUNK)) for at in range(0, MAX_DATA, _CHUNK)]
            size, *parts = self._ask((wire.FSTAT, handle), *spans)
            data, wanted = b"".join(map(_content, parts)), size.read(wire.ATTRS).attributes().size
            while len(data) < wanted <= MAX_DATA:  # a server may give less than it was asked for
                more = _content(self._ask((wire.READ, handle + wire.span(len(data), _CHUNK)))[0])
                if not more:
                    raise OSError(errno.EIO, "it ends early")
                data += more
            self._send((wire.CLOSE, handle))
            if wanted > MAX_DATA:
                raise OSError(errno.EFBIG, "it is larger than any record of cronguard's")
            return data

    def write(self, path: str, data: bytes, mode: int) -> Attributes:
        """Create a file that is not there, bring it to the disk, and return its attributes."""
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
        """Bring a directory's entries to the disk: it can be opened as a file is, for reading."""
        with self._errors(path):
            handle = self._handle(wire.OPEN, wire.path(path) + wire.number(wire.FOR_READING) + _NO_FLAGS)
            done = self._ask(_fsync(handle))[0]
            self._send((wire.CLOSE, handle))
            done.read(wire.STATUS)

    def rename(self, old: str, new: str) -> None:
        """Rename, but not onto what is there.

        This is SSH_FXP_RENAME, which must fail if the new name exists, and not posix-rename@openssh.com, whose very
        promise is to replace: a server that is not OpenSSH's may keep that promise by removing first. For a
        directory OpenSSH's server looks whether the new name exists, and then calls rename(2). Between the two
        another may take the name; what decides is rename(2), which is atomic and refuses a directory that is not
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
        """Let the session go."""
        self._line.close()

    def _do(self, path: str, kind: int, payload: bytes) -> None:
        with self._errors(path):
            self._ask((kind, payload))[0].read(wire.STATUS)

    def _handle(self, kind: int, payload: bytes) -> bytes:
        return wire.string(self._ask((kind, payload))[0].read(wire.HANDLE).string())

    def _check(self, answer: Answer, path: str, kind: int = wire.STATUS) -> Reader:
        """Return the answer's content; if it says only "failure", ask whether the disk is full."""
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
        """Name the place in what the server reports."""
        try:
            yield
        except ConnectionError:
            raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, f"{self._host}:{path}") from error

    def _ask(self, *requests: Request) -> list[Answer]:
        """Send all at once, and return the answers in order: the server works through requests in order, too."""
        numbers = self._send(*requests)
        answers: dict[int, Answer] = {}
        while len(answers) < len(numbers):
            kind, body = self._receive()
            number = body.number()
            if number in numbers:  # else it is an answer that nobody waits for
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
        """Return how long the next message is; 1 when even that has not come."""
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
