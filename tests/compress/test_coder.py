"""The arithmetic coder by itself."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.compress.coder import LARGEST_TOTAL, Decoder, Encoder
from eyas.errors import EyasError

Share = tuple[int, int, int]


@st.composite
def shares(draw: st.DrawFn) -> list[Share]:
    """(start, size, total) of some symbols; totals from 1 to the largest, sizes from 1 to all of it."""
    found = []
    for _ in range(draw(st.integers(1, 40))):
        total = draw(st.one_of(st.integers(1, 300), st.integers(1, LARGEST_TOTAL)))
        start = draw(st.one_of(st.just(0), st.just(total - 1), st.integers(0, total - 1)))
        size = draw(st.one_of(st.just(1), st.just(total - start), st.integers(1, total - start)))
        found.append((start, size, total))
    return found


def coded(symbols: list[Share]) -> bytes:
    encoder = Encoder()
    for share in symbols:
        encoder.encode(*share)
    return encoder.finish()


@settings(max_examples=40, deadline=None)
@given(shares())
def test_every_symbol_comes_back(symbols: list[Share]) -> None:
    decoder = Decoder(coded(symbols))
    for start, size, total in symbols:
        assert start <= decoder.target(total) < start + size
        decoder.take(start, size)


@settings(max_examples=40, deadline=None)
@given(shares())
def test_the_code_is_as_long_as_the_symbols_are_improbable(symbols: list[Share]) -> None:
    bits = sum(math.log2(total / size) for _, size, total in symbols)
    # the division of the interval loses 2^-8 of it at the largest total
    assert 8 * len(coded(symbols)) <= bits + len(symbols) * 0.006 + 16


def test_golden_codes() -> None:
    assert coded([(0, 1, 2)] * 8) == b"\x00"
    assert coded([(1, 1, 2)] * 8) == b"\xff"
    assert coded([(byte, 1, 256) for byte in b"eyas"]) == b"eyas"
    assert coded([(1, 1, 3)] * 20).hex() == "80000000"


def test_a_carry_runs_back_through_a_row_of_255s() -> None:
    symbols = [(2**40 - 1, 2, 2**41), *[(2**40 - 1, 1, 2**40)] * 5, (2**30, 2**30, 2**31), (1, 1, 2)]
    decoder = Decoder(coded(symbols))
    for start, size, total in symbols:
        assert start <= decoder.target(total) < start + size
        decoder.take(start, size)


@given(st.binary(max_size=30))
def test_any_bytes_are_read_or_refused_and_never_for_ever(data: bytes) -> None:
    decoder = Decoder(data)
    try:
        for _ in range(200):
            target = decoder.target(7)
            decoder.take(target, 1)
    except EyasError as error:
        assert "damaged" in str(error)
    else:
        pytest.fail("200 symbols cannot lie in 30 bytes")
