"""Torn, damaged and foreign files: what a write that stops half-way may lose, and what it must not lose."""

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronguard.store.contract import MAX_DATA
from cronguard.store.files import slots
from cronguard.store.files.slots import SLOT, Latest
from cronguard.system.errors import StoreRefusedError

HEADER = 32
PAGE = 4096
DATA = {n: bytes([n]) * 9000 for n in range(1, 6)}


@pytest.fixture
def fd(tmp_path):
    fd = os.open(tmp_path / "x.lock", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


def written(fd, latest):
    for version in range(1, latest + 1):
        slots.store(fd, version, DATA[version])


def at(version):
    return (version - 1) % 2 * SLOT


def tear(fd, version, kept, filler):
    """Keep only the first `kept` bytes of the write of `version`; the rest is as before, or `filler`."""
    before = os.pread(fd, 2 * SLOT, 0).ljust(2 * SLOT, b"\0")
    slots.store(fd, version, DATA[version])
    after = os.pread(fd, 2 * SLOT, 0).ljust(2 * SLOT, b"\0")
    start, end = at(version), at(version) + HEADER + len(DATA[version])
    tail = before[start + kept : end] if filler is None else filler * (end - start - kept)
    os.pwrite(fd, after[start : start + kept] + tail, start)


# The edges of the header's fields, of pages and of the data, and a byte to either side of each.
EDGES = sorted(
    {
        max(0, edge + off)
        for edge in (0, 16, 24, 28, HEADER, 512, PAGE, 2 * PAGE, HEADER + 9000)
        for off in (-1, 0, 1)
    }
    - {HEADER + 9000, HEADER + 9001}
)


@pytest.mark.parametrize("filler", [None, b"\0", b"\xff"], ids=["old", "zeros", "noise"])
@pytest.mark.parametrize("kept", EDGES)
@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_torn_write_loses_nothing_that_was_published(fd, version, kept, filler):
    written(fd, version - 1)
    tear(fd, version, kept, filler)
    assert slots.load(fd, "x") == Latest(version - 1, DATA[version - 1])
    slots.store(fd, version, b"again")
    assert slots.load(fd, "x") == Latest(version, b"again")


@pytest.mark.parametrize("filler", [None, b"\0"], ids=["old", "zeros"])
@pytest.mark.parametrize("kept", EDGES)
def test_a_torn_first_write_leaves_no_version(fd, kept, filler):
    tear(fd, 1, kept, filler)
    assert slots.load(fd, "x") == Latest(0, b"")


@pytest.mark.parametrize("size", EDGES)
def test_a_first_write_cut_short_leaves_no_version(fd, size):
    slots.store(fd, 1, DATA[1])
    os.truncate(fd, size)
    assert slots.load(fd, "x") == Latest(0, b"")


@pytest.mark.parametrize("size", EDGES)
def test_a_second_write_cut_short_leaves_the_first(fd, size):
    written(fd, 2)
    os.truncate(fd, SLOT + size)
    assert slots.load(fd, "x") == Latest(1, DATA[1])


@pytest.mark.parametrize("offset", [*range(HEADER), HEADER, PAGE, HEADER + 8999])
@pytest.mark.parametrize("bit", [1, 0x80])
@pytest.mark.parametrize("latest", [2, 3])
def test_a_flipped_bit_in_either_slot_leaves_the_other(fd, offset, bit, latest):
    written(fd, latest)
    for damaged, left in ((latest, latest - 1), (latest - 1, latest)):
        good = os.pread(fd, 1, at(damaged) + offset)
        os.pwrite(fd, bytes([good[0] ^ bit]), at(damaged) + offset)
        assert slots.load(fd, "x") == Latest(left, DATA[left])
        os.pwrite(fd, good, at(damaged) + offset)


@given(
    st.lists(
        st.tuples(st.integers(0, HEADER + 8999), st.integers(1, 255)), min_size=1, max_size=20, unique=True
    )
)
def test_a_changed_slot_is_never_taken_for_intact(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("slots") / "x.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        written(fd, 2)
        before = os.pread(fd, HEADER + 9000, SLOT)
        for offset, mask in changes:
            byte = os.pread(fd, 1, SLOT + offset)[0]
            os.pwrite(fd, bytes([byte ^ mask]), SLOT + offset)
        is_changed = os.pread(fd, HEADER + 9000, SLOT) != before
        assert slots.load(fd, "x").version == (1 if is_changed else 2)
    finally:
        os.close(fd)


def test_both_slots_damaged_is_refused(fd):
    written(fd, 3)
    os.pwrite(fd, b"x", HEADER)
    os.pwrite(fd, b"x", SLOT + HEADER)
    before = os.pread(fd, 2 * SLOT, 0)
    with pytest.raises(StoreRefusedError, match="neither of its two records is intact"):
        slots.load(fd, "x")
    assert os.pread(fd, 2 * SLOT, 0) == before


def test_a_blank_first_slot_with_a_damaged_second_is_refused(fd):
    written(fd, 2)
    os.pwrite(fd, bytes(HEADER), 0)
    os.pwrite(fd, b"x", SLOT + HEADER)
    with pytest.raises(StoreRefusedError):
        slots.load(fd, "x")


@pytest.mark.parametrize(
    "content",
    [b"12345\n", b"\x7fELF", b"c" * 100, b"cronguard-file2\n" + bytes(16), b"\0" * 15 + b"x", b"\xff" * SLOT],
)
def test_a_foreign_file_is_refused(fd, content):
    os.pwrite(fd, content, 0)
    with pytest.raises(StoreRefusedError, match="is not a cronguard lock file") as caught:
        slots.load(fd, "/share/x.lock")
    assert "/share/x.lock" in str(caught.value)
    assert "nothing was changed" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"\0", bytes(SLOT), bytes(3 * SLOT)])
def test_a_file_without_content_is_version_0(fd, content):
    os.pwrite(fd, content, 0)
    assert slots.load(fd, "x") == Latest(0, b"")


def test_an_absurd_length_is_not_trusted(fd):
    written(fd, 2)
    os.pwrite(fd, struct.pack(">I", 0xFFFFFFFF), SLOT + 24)
    assert slots.load(fd, "x") == Latest(1, DATA[1])


@pytest.mark.parametrize("size", [0, 1, MAX_DATA])
def test_the_largest_and_the_smallest_data_fit(fd, size):
    for version in (1, 2, 3):
        slots.store(fd, version, bytes([version]) * size)
        assert slots.load(fd, "x") == Latest(version, bytes([version]) * size)
    assert os.fstat(fd).st_size <= 2 * SLOT


def test_a_write_in_pieces_is_put_together(fd, monkeypatch):
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: write(fd, data[:1000], at))
    slots.store(fd, 1, DATA[1])
    assert slots.load(fd, "x") == Latest(1, DATA[1])
