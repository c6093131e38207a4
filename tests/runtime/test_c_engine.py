"""The C engine: PyTorch's numbers, and the same bits whatever is read beside them and in whatever pieces."""

import dataclasses
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from eyas.errors import EyasError
from eyas.model.config import ModelConfig, RopeScaling
from eyas.model.transformer import Transformer
from eyas.runtime.backend import Cancelled, Piece
from eyas.runtime.c_engine import CBackend, CEngine
from eyas.runtime.gguf_write import write_gguf
from eyas.runtime.library import library
from eyas.runtime.sampling import Ask, Sampling, distribution
from eyas.runtime.torch_engine import TorchEngine
from eyas.text.tokenizer import Tokenizer

pytestmark = pytest.mark.skipif(library() is None, reason="no C compiler on this machine")
NEVER: set[int] = set()


def prompts(count: int, longest: int = 100, seed: int = 0) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(16, 280, generator.integers(2, longest)).tolist() for _ in range(count)]


def backend(model: Transformer, type_: str = "f32", threads: int = 0) -> CBackend:
    return CBackend.from_model(model, model.config.vocab_size, type_, threads, 32)  # type: ignore[arg-type]


def read(own: CBackend, ids: Sequence[int], pieces: Sequence[int]) -> NDArray[np.float32]:
    """Logits after every token of `ids`, read in pieces of the given sizes."""
    sequence, at, rows = own.new(), 0, []
    for size in [*pieces, len(ids)]:
        if part := ids[at : at + size]:
            rows.append(own.forward([Piece(sequence, at, part, len(part))]))
            at += len(part)
    own.release(sequence)
    return np.concatenate(rows)


SHAPES = {
    "qwen3": {},
    "llama, tied": {"qk_norm": False, "tie_embeddings": True},
    "qwen2": {"qk_norm": False, "qkv_bias": True},
    "llama3 scaling": {"qk_norm": False, "rope_scaling": RopeScaling(8.0, 1.0, 4.0, 32)},
    "odd sizes": {"n_embd": 40, "n_ff": 72, "head_dim": 10, "n_head": 3, "n_kv_head": 1},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_pytorchs(shape: str, model: Transformer) -> None:
    config: ModelConfig = dataclasses.replace(model.config, **SHAPES[shape])
    torch.manual_seed(1)
    other = Transformer(config).eval()
    for parameter in other.parameters():
        torch.nn.init.normal_(parameter, std=0.25)
    own = backend(other)
    for ids in prompts(4, longest=config.max_seq_len):
        with torch.no_grad():
            expected = other(torch.tensor([ids]))[0].numpy()
        np.testing.assert_allclose(read(own, ids, []), expected, atol=1e-3)


@pytest.mark.parametrize("type_", ["f32", "bf16", "q8_0"])
def test_a_token_has_the_same_bits_in_every_company(model: Transformer, type_: str) -> None:
    one, two = backend(model, type_, threads=1), backend(model, type_, threads=2)
    texts = prompts(16, seed=2)
    alone = [read(one, ids, []) for ids in texts]
    for ids, expected in zip(texts, alone, strict=True):
        assert np.array_equal(read(two, ids, []), expected), "another number of threads"
        assert np.array_equal(read(two, ids, [1] * len(ids)), expected), "token by token"
        assert np.array_equal(read(one, ids, [3, 17, 5, 1, 16]), expected), "in pieces"
    sequences = [two.new() for _ in texts]
    pieces = [Piece(s, 0, ids, len(ids)) for s, ids in zip(sequences, texts, strict=True)]
    assert np.array_equal(two.forward(pieces), np.concatenate(alone)), "beside fifteen others"
    ids, expected = texts[0], alone[0]
    for shared in range(1, len(ids)):
        fork = two.fork(sequences[0], shared)
        rest = two.forward([Piece(fork, shared, ids[shared:], len(ids) - shared)])
        assert np.array_equal(rest, expected[shared:]), "after a shared beginning"
        two.truncate(fork, shared - 1)
        again = two.forward([Piece(fork, shared - 1, ids[shared - 1 :], 1)])
        assert np.array_equal(again[0], expected[-1]), "after what was taken back"
        two.release(fork)


def test_weights_may_be_held_in_fewer_bits(model: Transformer, tokenizer: Tokenizer) -> None:
    asked = prompts(6)
    exact = np.concatenate(CEngine.from_model(model, tokenizer).logprobs(asked))
    errors = {}
    for type_ in ("f16", "bf16", "q8_0", "q4_0"):
        found = np.concatenate(CEngine.from_model(model, tokenizer, type=type_).logprobs(asked))  # type: ignore[arg-type]
        errors[type_] = float(np.abs(found - exact).mean())
    assert 0 < errors["f16"] < errors["bf16"] < errors["q4_0"] and errors["q8_0"] < errors["q4_0"] < 2
    assert errors["f16"] < 0.01 and errors["q8_0"] < 0.2


def test_choosing_follows_the_rules_in_plain_words(model: Transformer) -> None:
    own = backend(model)
    generator = np.random.default_rng(0)
    draws = np.linspace(0, 1, 40, endpoint=False)
    for temperature, top_k, top_p, min_p, penalty in (
        (1.0, 0, 1.0, 0.0, 1.0), (0.7, 5, 1.0, 0.0, 1.0), (1.5, 0, 0.8, 0.0, 1.3), (1.0, 0, 1.0, 0.1, 0.7),
        (0.8, 0, 1.0, 0.1, 1.0),
        (0.9, 30, 0.9, 0.02, 1.1), (0.0, 3, 0.5, 0.0, 1.5),
    ):  # fmt: skip
        rules = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=penalty)
        logits = generator.normal(0, 3, (1, own.ids)).astype(np.float32)
        allowed = generator.integers(0, 2**32, -(-own.ids // 32), dtype=np.uint32)
        said = np.unique(generator.integers(0, own.ids, 30)).astype(np.int32)
        for mask in (None, allowed):
            chances = distribution(logits[0], Ask(rules, 0.0, mask, said))
            cumulative = chances.cumsum()
            for draw in draws:
                (token,), (score,) = own.choose(logits, [Ask(rules, float(draw), mask, said)])
                assert chances[token] > 0
                assert cumulative[token] - chances[token] - 1e-5 <= draw <= cumulative[token] + 1e-5
                wide = logits[0].astype(np.float64)
                assert score == pytest.approx(wide[token] - np.log(np.exp(wide).sum()), abs=1e-4)


def test_what_cannot_be_is_refused_in_the_librarys_words(model: Transformer) -> None:
    own = backend(model)
    sequence = own.new()
    own.forward([Piece(sequence, 0, [20, 21], 1)])
    for wrong in (
        lambda: own.forward([Piece(sequence, 1, [20], 1)]),
        lambda: own.forward([Piece(sequence, 2, [own.vocab_size], 1)]),
        lambda: own.forward([Piece(99, 0, [20], 1)]),
        lambda: own.truncate(sequence, 3),
        lambda: own.fork(sequence, 3),
        lambda: own.release(99),
        lambda: own.choose(np.zeros((1, own.ids), np.float32), [Ask(Sampling(), 0.5, np.zeros(10, np.uint32))]),
    ):
        with pytest.raises(EyasError):
            wrong()
    assert np.array_equal(own.forward([Piece(sequence, 2, [22], 1)])[0], read(own, [20, 21, 22], [])[-1])


def test_a_cancelled_pass_leaves_everything_as_it_was(
    model: Transformer, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = CEngine.from_model(model, tokenizer)
    greedy = Sampling(max_tokens=12, temperature=0)
    asked = prompts(3)
    expected = engine.generate(asked, greedy, NEVER)
    forward, calls = engine.backend.forward, []

    def sometimes(pieces: Sequence[Piece]) -> object:
        calls.append(pieces)
        if len(calls) % 3 == 0:
            raise Cancelled
        return forward(pieces)

    monkeypatch.setattr(engine.backend, "forward", sometimes)
    assert engine.generate(asked, greedy, NEVER) == expected
    engine.backend.cancel()  # nothing runs, so nothing happens
    assert engine.generate(asked, greedy, NEVER) == expected


def test_another_thread_can_break_a_pass_off(model: Transformer) -> None:
    own = backend(model)
    ids = prompts(1, longest=128)[0]
    expected = read(own, ids, [])
    sequence = own.new()
    own.forward([Piece(sequence, 0, ids[:2], 0)])
    over = threading.Event()

    def keep_cancelling() -> None:
        while not over.is_set():
            own.cancel()

    thread = threading.Thread(target=keep_cancelling)
    thread.start()
    try:
        with pytest.raises(Cancelled):
            for _ in range(100_000):
                own.forward([Piece(sequence, 2, ids[2:], 1)])
                own.truncate(sequence, 2)
    finally:
        over.set()
        thread.join()
    rest = own.forward([Piece(sequence, 2, ids[2:], len(ids) - 2)])
    assert np.array_equal(rest, expected[2:]), "the sequence is as it was before the pass"


def test_a_gguf_file_speaks_as_the_model_it_was_made_of(
    model: Transformer, tokenizer: Tokenizer, tmp_path: Path
) -> None:
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "f32", name="m")
    opened = CEngine.open(tmp_path / "m.gguf")
    asked = prompts(3)
    assert opened.tokenizer.encode("The cat sat.") == tokenizer.encode("The cat sat.")
    greedy = Sampling(max_tokens=12, temperature=0)
    expected = TorchEngine(model, tokenizer).generate(asked, greedy, NEVER)
    assert [done.ids for done in opened.generate(asked, greedy, NEVER)] == [done.ids for done in expected]


def test_engines_come_and_go(new_model: Callable[..., Transformer], tokenizer: Tokenizer) -> None:
    for seed in range(3):
        engine = CEngine.from_model(new_model(tokenizer.vocab_size, seed=seed), tokenizer, threads=2)
        assert len(engine.generate([[20]], Sampling(max_tokens=3), NEVER)[0].ids) == 3
        del engine
