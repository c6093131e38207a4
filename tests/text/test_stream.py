from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from eyas.text import Utf8Stream
from tests.text.strings import property_test


@property_test
@given(st.text(), st.data())
def test_pieces_of_any_size_give_the_same_text(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    stream = Utf8Stream()
    bounds = [0, *cuts, len(raw)]
    pieces = [stream.feed(raw[a:b]) for a, b in pairwise(bounds)]
    assert "".join(pieces) == text
    assert stream.flush() == ""


@property_test
@given(st.binary())
def test_broken_bytes_come_out_as_python_replaces_them(raw: bytes) -> None:
    stream = Utf8Stream()
    text = "".join(stream.feed(bytes([byte])) for byte in raw) + stream.flush()
    assert text == raw.decode("utf-8", "replace")


def test_half_a_character_is_held_back_until_it_is_whole_or_the_end() -> None:
    stream = Utf8Stream()
    assert [stream.feed(bytes([byte])) for byte in "€".encode()] == ["", "", "€"]
    assert stream.feed("€".encode()[:2]) == ""
    assert stream.flush() == "\ufffd"
    assert stream.feed(b"a") == "a"
