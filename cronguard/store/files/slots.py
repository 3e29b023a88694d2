"""Two versions in one file, written in turn: a crash in the middle of a write loses nothing.

A file has two slots at fixed offsets. Version 1 goes to the first, version 2 to the second, version 3 to the first
again. A slot holds a magic string, the version, the length, a checksum over these and the data, and the data. A write
replaces the version before the latest, so the latest stays intact whatever happens to the write.
"""

import os
import struct
from binascii import crc32
from typing import NamedTuple

from cronguard.model.envelope import TO_REPAIR
from cronguard.store.contract import MAX_DATA
from cronguard.system.errors import StoreRefusedError

SLOT = 68 * 1024  # the header and MAX_DATA, in whole pages: a torn page damages only one slot
_MAGIC = b"cronguard-file1\n"
_HEADER = struct.Struct(">16sQII")


class Latest(NamedTuple):
    """The newest complete version in a file; 0, without data, if none was ever completed."""

    version: int
    data: bytes


class _Slot(NamedTuple):
    is_blank: bool  # never written, as far as can be seen
    is_ours: bool  # blank, or starts as our writes start
    content: Latest | None  # None unless it is intact


def load(fd: int, path: str) -> Latest:
    """Return the latest version in the open file.

    Raises StoreRefusedError, and leaves the file as it is, if the file is not ours or both slots are damaged. A reader
    without the lock can see damage in both slots when two writes happen during its read, so it reads again.
    """
    first, second = _slot(fd, 0), _slot(fd, 1)
    whole = [slot.content for slot in (first, second) if slot.content]
    if whole:
        return max(whole)
    if not first.is_ours:
        raise _refusal(f"{path} is not a cronguard lock file")
    if not second.is_blank:  # the second is written only after the first was complete
        raise _refusal(f"{path} is damaged: neither of its two records is intact")
    return Latest(0, b"")


def store(fd: int, version: int, data: bytes) -> None:
    """Write a version over the one before the latest, and flush it to the disk."""
    image = memoryview(_sealed(version, data) + data)
    at = (version - 1) % 2 * SLOT
    while image:
        written = os.pwrite(fd, image, at)
        image, at = image[written:], at + written
    os.fsync(fd)


def _slot(fd: int, index: int) -> _Slot:
    header = os.pread(fd, _HEADER.size, index * SLOT).ljust(_HEADER.size, b"\0")
    magic, version, length, _ = _HEADER.unpack(header)
    if magic != _MAGIC:  # a first write may have been cut short within the magic
        return _Slot(not header.strip(b"\0"), _MAGIC.startswith(magic.rstrip(b"\0")), None)
    data = os.pread(fd, min(length, MAX_DATA), index * SLOT + _HEADER.size)
    is_whole = _sealed(version, data) == header
    return _Slot(is_blank=False, is_ours=True, content=Latest(version, data) if is_whole else None)


def _sealed(version: int, data: bytes) -> bytes:
    sealed = _HEADER.pack(_MAGIC, version, len(data), 0)
    return _HEADER.pack(_MAGIC, version, len(data), crc32(data, crc32(sealed)))


def _refusal(why: str) -> StoreRefusedError:
    return StoreRefusedError(why, TO_REPAIR)
