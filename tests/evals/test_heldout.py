"""Bits per byte: the sum of the model's own log-probabilities, whatever the length of the text."""

import math

import numpy as np
import pytest

from eyas.data.documents import Document
from eyas.errors import EyasError
from eyas.evals.heldout import compressors, document_bits, heldout_documents, measure
from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.runtime.c_engine import CEngine
from eyas.runtime.library import library
from eyas.runtime.torch_engine import TorchEngine
from eyas.text.tokenizer import train_tokenizer

TEXTS = ["The baker sleeps.", "A goat ate the map, and the judge laughed.", "word " * 120]


@pytest.fixture(scope="module")
def engine() -> TorchEngine:
    tokenizer = train_tokenizer(TEXTS * 5, 300)
    config = ModelConfig.from_size("0.1m", vocab_size=tokenizer.vocab_size, max_seq_len=64)
    model = Transformer(config)
    model.init_weights(0)
    return TorchEngine(model, tokenizer)


def test_bits_are_the_models_log_probabilities_with_the_end_counted(engine: TorchEngine) -> None:
    bits, tokens = document_bits(engine, TEXTS[:1])
    end = engine.tokenizer.endoftext
    ids = [end, *engine.tokenizer.encode(TEXTS[0]), end]
    assert tokens == len(ids) - 1
    assert bits[0] == pytest.approx(-engine.logprobs([ids])[0].sum() / math.log(2), rel=1e-5)


def test_a_text_longer_than_the_context_is_counted_once_and_whole(engine: TorchEngine) -> None:
    bits, tokens = document_bits(engine, TEXTS)
    assert tokens == sum(len(engine.tokenizer.encode(text)) + 1 for text in TEXTS)
    assert tokens > engine.context
    # An untrained model of V tokens needs about log2 V bits for each.
    assert bits.sum() / tokens == pytest.approx(math.log2(engine.model.config.vocab_size), rel=0.2)


def test_the_floor_and_the_kinds_are_told_where_they_are_known(engine: TorchEngine) -> None:
    documents = [Document(text, floor_bits=8.0) for text in TEXTS]
    found = measure(engine, documents, "world", kinds=["a", "b", "a"])
    n_bytes = sum(len(text.encode()) for text in TEXTS)
    assert found.bytes == n_bytes
    assert found.floor_bpb == pytest.approx(24 / n_bytes)
    assert found.gap == pytest.approx(found.bpb - 24 / n_bytes)
    assert found.low <= found.bpb <= found.high
    assert found.by_kind is not None and found.by_kind["a"].documents == 2
    unknown = measure(engine, [Document(TEXTS[0]), *documents], "mixed")
    assert unknown.floor_bpb is None and unknown.gap is None


def test_compressors_find_repetition() -> None:
    rng = np.random.default_rng(0)
    noise = "".join(chr(33 + i) for i in rng.integers(0, 90, 20_000))
    for name, bpb in compressors([noise]).items():
        assert bpb > 5.5, name
    for name, bpb in compressors(["abc " * 5_000]).items():
        assert bpb < 0.2, name


def test_held_out_documents_are_those_that_training_holds_out(tmp_path: object) -> None:
    with pytest.raises(EyasError, match="no such file"):
        heldout_documents(["nowhere.txt"])
    first = heldout_documents(["world"], people=20, max_bytes=20_000)
    again = heldout_documents(["world"], people=20, max_bytes=20_000)
    assert [one.text for one in first] == [one.text for one in again]
    assert sum(len(one.text) for one in first) >= 20_000
    assert all(one.floor_bits for one in first)


def test_the_c_engine_counts_the_same_bits(engine: TorchEngine) -> None:
    if library() is None:
        pytest.skip("no C compiler on this machine")
    own = CEngine.from_model(engine.model, engine.tokenizer)
    np.testing.assert_allclose(document_bits(own, TEXTS)[0], document_bits(engine, TEXTS)[0], rtol=1e-5)
