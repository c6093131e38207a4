"""The benchmark counts what a token costs, and measures what it says it measures."""

from pathlib import Path

import pytest

from eyas.model.transformer import Transformer
from eyas.runtime import bench, llama_cpp_peer
from eyas.runtime.gguf_write import write_gguf
from eyas.runtime.library import library
from eyas.runtime.opening import Kind, engine_of, open_engine
from eyas.runtime.sampling import Sampling
from eyas.runtime.speculate import Lookup
from eyas.text.tokenizer import Tokenizer


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_SHORTEST", 0.0)
    monkeypatch.setattr(bench, "_limits", lambda threads: bench.Limits(1e9, 1e10, 1e11))


def test_costs_follow_from_the_shape(model: Transformer, tokenizer: Tokenizer, kind: Kind) -> None:
    engine = engine_of(model, tokenizer, kind=kind)
    found = bench.measure(engine, "m", prompt=50, tokens=40, sequences=4, rounds=1)
    c = model.config
    assert found.parameters == sum(p.numel() for p in model.parameters() if p.dim() == 2) - (
        0 if c.tie_embeddings else model.embed.weight.numel()
    )
    assert found.weight_bytes == 4 * found.parameters
    a_token = 2 * 4 * c.n_layer * c.n_kv_head * c.head_dim
    assert found.work["decode"].bytes_per_token == found.weight_bytes + 20 * a_token
    assert found.work["batched"].bytes_per_token == found.weight_bytes / 4 + 20 * a_token
    assert found.work["prefill"].bytes_per_token == (found.weight_bytes + 25 * a_token) / 50
    attention = 4 * 20 * c.n_layer * c.n_head * c.head_dim
    assert found.work["decode"].operations_per_token == 2 * found.parameters + attention
    for work in found.work.values():
        assert work.bandwidth_share == pytest.approx(work.tokens_per_second * work.bytes_per_token / 1e9)
        assert work.arithmetic_share == pytest.approx(work.tokens_per_second * work.operations_per_token / 1e10)
    assert found.speculation is None and found.work["decode"].llama_cpp is None


def test_lengths_are_cut_to_the_context(model: Transformer, tokenizer: Tokenizer, kind: Kind) -> None:
    engine = engine_of(model, tokenizer, kind=kind, rows=3)
    found = bench.measure(engine, "m", prompt=10_000, tokens=10_000, sequences=100, rounds=1)
    assert (found.prompt, found.tokens, found.sequences) == (engine.context - 1, engine.context - 1, 3)
    assert engine.generate([[20]], Sampling(max_tokens=3), ())[0].ids, "the engine is as it was"


def test_guessing_ahead_is_measured_where_it_is_on(model: Transformer, tokenizer: Tokenizer, kind: Kind) -> None:
    engine = engine_of(model, tokenizer, kind=kind)
    engine.batch.speculator = speculator = Lookup()
    found = bench.measure(engine, "m", prompt=8, tokens=20, sequences=1, rounds=1).speculation
    assert found is not None and found.plain > 0 and found.guessing > 0 and 0 <= found.accepted <= 1
    assert engine.batch.speculator is speculator


@pytest.mark.parametrize("type_", ["f32", "q8_0"])
def test_bytes_of_a_file_are_those_it_holds(
    model: Transformer, tokenizer: Tokenizer, tmp_path: Path, type_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if library() is None:
        pytest.skip("no C compiler on this machine")
    monkeypatch.setattr(llama_cpp_peer, "installed", lambda: False)
    path = tmp_path / "m.gguf"
    write_gguf(path, model, tokenizer, type_, name="m")  # type: ignore[arg-type]
    found = bench.measure(open_engine(path, kind="c"), str(path), prompt=8, tokens=8, sequences=2, rounds=1)
    assert found.weight_bytes == found.parameters * {"f32": 4, "q8_0": 34 / 32}[type_]
    limit = {"f32": 1e10, "q8_0": 1e11}[type_]
    work = found.work["prefill"]
    assert work.arithmetic_share == pytest.approx(work.tokens_per_second * work.operations_per_token / limit)


@pytest.mark.skipif(not llama_cpp_peer.installed(), reason="llama-cpp-python is not installed")
def test_llama_cpp_reads_the_same_file_and_says_the_same(
    model: Transformer, tokenizer: Tokenizer, tmp_path: Path, kind: Kind
) -> None:
    path = tmp_path / "m.gguf"
    write_gguf(path, model, tokenizer, "f32", name="m")
    engine = open_engine(path, kind=kind)
    prompt = [20, 31, 45, 60]
    with llama_cpp_peer.running(path, threads=1, room=64, sequences=2) as peer:
        assert peer.prefill(prompt) == engine.next_logits(prompt).argmax()
        peer.decode(4, 2)
    work = bench.measure(engine, str(path), prompt=8, tokens=8, sequences=2, rounds=1).work["decode"]
    assert work.llama_cpp is not None and work.ratio == pytest.approx(work.tokens_per_second / work.llama_cpp)
