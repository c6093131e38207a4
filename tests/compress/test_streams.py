"""A text in several places at once, and what its code costs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.compress.predictor import Predictor, predictor_of
from eyas.compress.streams import Layout, coded, decode, encode, predict
from eyas.errors import EyasError
from eyas.model.transformer import Transformer
from eyas.runtime.engine import Engine
from eyas.text.tokenizer import Tokenizer
from tests.compress.conftest import TEXT


def ids_of(tokenizer: Tokenizer, count: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array((tokenizer.encode(TEXT) * (count // 20 + 1))[:count], dtype=np.int32)


LAYOUTS = [
    Layout(1, 1, 64, 16),
    Layout(64, 1, 64, 16),
    Layout(65, 1, 64, 16),
    Layout(200, 1, 64, 63),
    Layout(200, 1, 64, 0),
    Layout(30, 1, 2, 1),
    Layout(50, 7, 8, 4),
    Layout(5, 5, 64, 16),
    Layout(129, 2, 64, 32),
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_ids_come_back(predictor: Predictor, tokenizer: Tokenizer, layout: Layout) -> None:
    ids = ids_of(tokenizer, layout.tokens)
    written, mixed = encode(predictor.reader, ids, layout)
    assert decode(predictor.reader, written, layout, mixed) == ids.tolist()


def test_nothing_is_coded_in_no_bytes(predictor: Predictor) -> None:
    layout = Layout(0, 0, 64, 16)
    assert encode(predictor.reader, np.empty(0, dtype=np.int32), layout) == (b"", False)
    assert decode(predictor.reader, b"", layout) == []


@given(st.integers(1, 500), st.integers(2, 70), st.data())
def test_windows_cover_a_stream_once_and_fit(length: int, window: int, data: st.DataObject) -> None:
    memory = data.draw(st.integers(0, window - 1))
    at = 0
    for begin, first, last in Layout(length, 1, window, memory).windows(length):
        assert first == at < last and begin == max(0, first - memory)
        assert 1 + (last - 1 - begin) <= window
        at = last
    assert at == length


@given(st.integers(1, 500), st.integers(1, 40))
def test_streams_share_the_tokens_the_longest_first(tokens: int, streams: int) -> None:
    lengths = [Layout(tokens, streams, 64, 16).length(stream) for stream in range(streams)]
    assert sum(lengths) == tokens and sorted(lengths, reverse=True) == lengths and lengths[0] - lengths[-1] <= 1


def test_the_code_is_as_long_as_the_model_is_surprised(
    predictor: Predictor, model: Transformer, tokenizer: Tokenizer
) -> None:
    """Under 0.1 % and a few bytes above the sum of -log2 p."""
    from eyas.runtime.c_engine import CEngine

    ids, layout = ids_of(tokenizer, 2000), Layout(2000, 1, 64, 16)
    engine: Engine = CEngine.from_model(model, tokenizer, threads=1)
    windows = list(layout.windows(2000))
    # the last window token is read by nobody but must fit the context that `logprobs` wants: drop the start instead
    rows = [[tokenizer.start, *ids[begin : last - 1].tolist()] for begin, _, last in windows]
    bits = 0.0
    for (_, first, last), row, scores in zip(windows, rows, engine.logprobs(rows), strict=True):
        bits -= float(scores[len(row) - (last - first) :].sum(dtype=np.float64)) / math.log(2)
        logits = engine.next_logits(row).astype(np.float64)
        bits -= float(logits[ids[last - 1]] - logits.max() - np.log(np.exp(logits - logits.max()).sum())) / math.log(2)
    assert 8 * len(coded(predict(predictor.reader, ids, layout)[:, 0])) == pytest.approx(bits, rel=1e-3, abs=32)


def test_engines_that_read_differently_code_the_same(
    predictor: Predictor, model: Transformer, tokenizer: Tokenizer
) -> None:
    from eyas.runtime.c_engine import CEngine

    ids, layout = ids_of(tokenizer, 300), Layout(300, 3, 64, 16)
    other = predictor_of(CEngine.from_model(model, tokenizer, threads=2, rows=4), b"")
    assert encode(other.reader, ids, layout) == encode(predictor.reader, ids, layout)
    assert other.arithmetic == predictor.arithmetic


def test_progress_counts_every_token(predictor: Predictor, tokenizer: Tokenizer) -> None:
    ids, layout = ids_of(tokenizer, 130), Layout(130, 3, 32, 8)
    told: list[int] = []
    written, mixed = encode(predictor.reader, ids, layout, told.append)
    assert sum(told) == 130
    told.clear()
    decode(predictor.reader, written, layout, mixed, told.append)
    assert sum(told) == 130


def test_too_many_streams_for_the_memory_are_refused(predictor: Predictor) -> None:
    with pytest.raises(EyasError, match="no memory to read 256 parts"):
        decode(predictor.reader, b"abc", Layout(10**6, 256, 64, 16))
