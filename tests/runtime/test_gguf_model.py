"""Models through GGUF and back: every shape, every type, and files that do not fit together."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader, dequantize
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyas.errors import EyasError
from eyas.model.checkpoint import hf_views
from eyas.runtime.gguf_file import open_gguf
from eyas.runtime.gguf_layout import gguf_name, names_of, shape_of
from eyas.runtime.gguf_read import lineage_in, load_gguf
from eyas.runtime.gguf_write import tensor_type, write_gguf
from eyas.runtime.quantize import WeightType
from eyas.text.tokenizer import Tokenizer
from tests.runtime.foreign import VARIANTS, random_weights, same_weights, shape

KINDS: list[WeightType] = ["f32", "f16", "bf16", "q8_0", "q4_0"]


@pytest.mark.parametrize("kind", VARIANTS)
def test_f32_comes_back_bit_for_bit_with_the_same_ids(tmp_path: Path, tokenizer: Tokenizer, kind: str) -> None:
    model = random_weights(shape(kind, tokenizer.vocab_size + 3))
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "f32", name="m")
    again, words = load_gguf(tmp_path / "m.gguf")
    assert same_weights(again, model) and words.fingerprint == tokenizer.fingerprint


@pytest.mark.parametrize("kind", VARIANTS)
def test_names_and_shapes_are_those_of_the_model(kind: str) -> None:
    config = shape(kind, 300)
    views = hf_views(random_weights(config))
    assert {name: tuple(view.shape) for name, view in views.items()} == {
        n: shape_of(n, config) for n in names_of(config)
    }
    assert len({gguf_name(name) for name in views}) == len(views)


@pytest.mark.parametrize(("kind", "dtype"), [("f16", torch.float16), ("bf16", torch.bfloat16)])
def test_a_model_in_halves_stays_in_halves(
    tmp_path: Path, tokenizer: Tokenizer, kind: WeightType, dtype: torch.dtype
) -> None:
    model = random_weights(shape("qwen3", 300)).to(dtype)
    write_gguf(tmp_path / "m.gguf", model, tokenizer, kind, name="m")
    again, _ = load_gguf(tmp_path / "m.gguf", dtype=None)
    assert again.embed.weight.dtype == dtype and same_weights(again, model)


def test_f32_norms_that_no_half_holds_keep_the_model_wide(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = random_weights(shape("qwen3", 300))
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "bf16", name="m")
    again, _ = load_gguf(tmp_path / "m.gguf", dtype=None)
    assert again.embed.weight.dtype == torch.float32
    assert torch.equal(again.norm.weight, model.norm.weight)
    assert torch.equal(again.embed.weight, model.embed.weight.bfloat16().float())


@pytest.mark.parametrize("kind", KINDS)
def test_what_we_read_is_what_gguf_reads(tmp_path: Path, tokenizer: Tokenizer, kind: WeightType) -> None:
    model = random_weights(shape("qwen3-untied", 300))
    counts = write_gguf(tmp_path / "m.gguf", model, tokenizer, kind, name="m")
    theirs = {
        one.name: np.asarray(dequantize(one.data, one.tensor_type)) for one in GGUFReader(tmp_path / "m.gguf").tensors
    }
    views = hf_views(load_gguf(tmp_path / "m.gguf")[0])
    assert sum(counts.values()) == len(views) == len(theirs)
    for name, view in views.items():
        assert np.array_equal(view.numpy(), theirs[gguf_name(name)]), name
        rounding = np.abs(view.numpy() - hf_views(model)[name].numpy()).max()
        assert rounding <= {"f32": 0, "f16": 1e-3, "bf16": 8e-3, "q8_0": 0.008, "q4_0": 0.12}[kind]


def test_what_stays_in_more_bits() -> None:
    small, large = shape("llama-untied", 300), shape("llama-untied", 300, n_ff=4096, n_embd=4096, n_layer=3)
    layer = "model.layers.0"
    for kind in ("q8_0", "q4_0"):
        assert tensor_type(f"{layer}.input_layernorm.weight", small, kind) == "f32"
        assert tensor_type(f"{layer}.mlp.down_proj.weight", small, kind) == "f16", "72 columns are no whole blocks"
        assert tensor_type(f"{layer}.mlp.up_proj.weight", small, kind) == kind
    for table in ("lm_head.weight", "model.embed_tokens.weight"):
        assert tensor_type(table, small, "q4_0") == "q8_0" and tensor_type(table, large, "q4_0") == "q4_0"
        assert tensor_type(table, small, "bf16") == "bf16"


def test_the_file_tells_where_the_model_comes_from(tmp_path: Path, tokenizer: Tokenizer) -> None:
    lineage = {"stage": "finetune", "version": "0.1.0", "data": [{"source": "world"}], "seed": 3}
    model = random_weights(shape("qwen3", 300))
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "f32", name="assistant", lineage=lineage, card="A card.")
    file = open_gguf(tmp_path / "m.gguf")
    told = {key: file.metadata[f"general.{key}"] for key in ("name", "finetune", "version", "description", "type")}
    assert told == {
        "name": "assistant", "finetune": "finetune", "version": "eyas 0.1.0", "description": "A card.", "type": "model",
    }  # fmt: skip
    assert lineage_in(file) == lineage


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, None])
def test_a_lineage_that_is_none_is_none(tmp_path: Path, tokenizer: Tokenizer, text: Any) -> None:
    write_gguf(tmp_path / "m.gguf", random_weights(shape("qwen3", 300)), tokenizer, "f32", name="m")
    file = open_gguf(tmp_path / "m.gguf")
    file.metadata["eyas.lineage"] = text
    assert lineage_in(file) is None


@pytest.mark.parametrize(
    ("value", "kind", "why"), [(float("nan"), "f32", "no numbers"), (1e6, "q8_0", "too large for q8_0")]
)
def test_weights_that_a_type_cannot_hold_are_refused(
    tmp_path: Path, tokenizer: Tokenizer, value: float, kind: WeightType, why: str
) -> None:
    model = random_weights(shape("qwen3", 300))
    hf_views(model)["model.layers.1.mlp.up_proj.weight"][0, 0] = value
    with pytest.raises(EyasError, match=f"model.layers.1.mlp.up_proj.weight holds values.*{why}"):
        write_gguf(tmp_path / "m.gguf", model, tokenizer, kind, name="m")


# -- files that do not fit together


@pytest.fixture(scope="module")
def whole(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    write_gguf(path, random_weights(shape("llama-scaled", 300)), tokenizer, "f32", name="m")
    return path


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"general.architecture": "gemma3"}, "architecture gemma3 is not supported"),
        ({"general.architecture": "qwen3"}, "lacks qwen3.block_count"),
        ({"llama.block_count": 1 << 20}, "lacks tensors"),
        ({"llama.block_count": 3}, "lacks 9 tensors"),
        ({"llama.block_count": 1}, "holds blk.1.attn_k.weight, for which"),
        ({"llama.block_count": 0}, "eyas reads 1 to"),
        ({"llama.block_count": "two"}, "'two'"),
        ({"llama.embedding_length": 128}, r"the shape \[300, 64\], its keys ask for \[300, 128\]"),
        ({"llama.attention.head_count": 1 << 40}, "eyas reads 1 to"),
        ({"llama.attention.head_count_kv": np.array([2, 2])}, "eyas reads 1 to"),
        ({"llama.attention.head_count_kv": 3}, "3 key-value heads"),
        ({"llama.attention.key_length": 15}, "is not supported"),
        ({"llama.context_length": 1 << 31}, "eyas reads 1 to 1,048,576"),
        ({"llama.attention.layer_norm_rms_epsilon": float("nan")}, "must be above zero"),
        ({"llama.rope.freq_base": -1.0}, "must be above zero"),
        ({"llama.rope.scaling.type": "yarn"}, "RoPE scaling 'yarn'"),
        ({"llama.rope.scaling.factor": 4.0}, "rope.scaling.factor = 4.0 is not supported"),
        ({"llama.rope.dimension_count": 8}, "rope.dimension_count = 8 is not supported"),
        ({"llama.expert_count": 8}, "expert_count = 8 is not supported"),
        ({"llama.attention.sliding_window": 4096}, "sliding_window = 4096 is not supported"),
        ({"tokenizer.ggml.tokens": ["a"] * 301}, "301 tokens, the model 300"),
    ],
)
def test_keys_that_do_not_fit_are_told(
    whole: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], why: str
) -> None:
    file = open_gguf(whole)
    file.metadata.update(change)
    monkeypatch.setattr("eyas.runtime.gguf_read.open_gguf", lambda path: file)
    with pytest.raises(EyasError, match=why) as caught:
        load_gguf(whole)
    assert "\n" not in str(caught.value)


def test_a_scaling_that_is_not_llama3s_is_refused(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = open_gguf(whole)
    entry = file.tensors["rope_freqs.weight"]
    object.__setattr__(entry, "offset", file.tensors["output_norm.weight"].offset)
    monkeypatch.setattr("eyas.runtime.gguf_read.open_gguf", lambda path: file)
    with pytest.raises(EyasError, match="its RoPE scaling is not llama3's"):
        load_gguf(whole)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 255)), min_size=1, max_size=3))
def test_damaged_bytes_give_one_sentence_or_a_model(
    whole: Path, tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    content = bytearray(whole.read_bytes())
    for place, byte in changes:
        content[place] = byte
    (tmp_path / "m.gguf").write_bytes(content)
    try:
        load_gguf(tmp_path / "m.gguf")
    except EyasError as error:
        assert "\n" not in str(error)
