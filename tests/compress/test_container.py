"""The file's layout, and files that are none."""

import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.compress.container import Archive, pack, unpack
from eyas.compress.streams import Layout
from eyas.errors import EyasError

ARCHIVE = Archive(b"m" * 16, b"a" * 8, b"c" * 32, "0.1.0", 300, Layout(200, 3, 64, 16), True, b"payload")


def sealed(body: bytes) -> bytes:
    """`body` with a name and a checksum that is right."""
    return b"EYASZIP\x01" + zlib.crc32(body).to_bytes(4, "little") + body


def test_what_is_packed_is_unpacked() -> None:
    for archive in (ARCHIVE, replace(ARCHIVE, mixed=True)):
        assert unpack(pack(archive), "f") == archive
    plain = replace(ARCHIVE, size=3, layout=Layout(0, 0, 0, 0), coded=False, payload=b"abc")
    assert unpack(pack(plain), "f") == plain


def test_the_layout_is_what_its_description_says() -> None:
    body = b"\x01" + b"m" * 16 + b"a" * 8 + b"c" * 32 + b"\x050.1.0" + b"\xac\x02" + b"\xc8\x01" + b"\x03\x40\x10"
    assert pack(ARCHIVE) == sealed(body + b"payload")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"EYASZIQ\x01" + bytes(99), b"hello"])
def test_other_files_are_no_eyas_zip(data: bytes) -> None:
    with pytest.raises(EyasError, match="^f is no eyas zip; give a file that `eyas zip` wrote$"):
        unpack(data, "f")


def test_a_later_format_is_named() -> None:
    with pytest.raises(EyasError, match="version 3 of the format.*newer eyas"):
        unpack(pack(ARCHIVE).replace(b"EYASZIP\x01", b"EYASZIP\x03"), "f")


@pytest.mark.parametrize("length", range(1, len(pack(ARCHIVE))))
def test_a_file_cut_anywhere_is_told(length: int) -> None:
    with pytest.raises(EyasError, match="^f is damaged or cut short"):
        unpack(pack(ARCHIVE)[:length], "f")


@given(st.integers(8, len(pack(ARCHIVE)) - 1), st.integers(1, 255))
def test_a_byte_that_changed_is_told(place: int, change: int) -> None:
    data = bytearray(pack(ARCHIVE))
    data[place] ^= change
    with pytest.raises(EyasError, match="^f is damaged or cut short"):
        unpack(bytes(data), "f")


@given(st.integers(0, 70), st.binary(max_size=12))
def test_a_header_made_up_by_somebody_is_read_or_refused(place: int, noise: bytes) -> None:
    body = bytearray(pack(ARCHIVE)[12:])
    body[place : place + len(noise)] = noise
    try:
        found = unpack(sealed(bytes(body)), "f")
    except EyasError as error:
        assert str(error).startswith("f is damaged")
    else:
        assert found.layout.streams <= 64 and found.layout.tokens <= found.size
        assert found.layout.memory < found.layout.window or not found.coded
