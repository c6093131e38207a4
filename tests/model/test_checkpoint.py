"""A model folder is what `transformers` reads and what it wrote; what is damaged is said in one sentence."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from eyas.errors import EyasError
from eyas.model.checkpoint import card_text, load_config, load_model, load_weights, save_model, stored_dtype
from eyas.model.config import ModelConfig, RopeScaling
from eyas.model.transformer import Transformer
from eyas.text.tokenizer import Tokenizer, train_tokenizer

VOCAB = 300


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(["the cat sat on the mat, the dog sat on the log"] * 20, vocab_size=280)


def shape(*, qk_norm: bool, n_kv_head: int, tie: bool) -> ModelConfig:
    return ModelConfig(
        vocab_size=VOCAB, n_layer=3, n_embd=64, n_head=4, n_kv_head=n_kv_head, head_dim=32, n_ff=96,
        max_seq_len=128, rope_theta=7000.0, norm_eps=1e-5, tie_embeddings=tie, qk_norm=qk_norm,
    )  # fmt: skip


def random_model(config: ModelConfig) -> Transformer:
    torch.manual_seed(3)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return model


ROWS = torch.randint(0, VOCAB, (2, 50), generator=torch.Generator().manual_seed(1))
FAMILIES = [(norm, kv, tie) for norm in (True, False) for kv in (4, 2, 1) for tie in (True, False)]


@pytest.mark.parametrize(("qk_norm", "n_kv_head", "tie"), FAMILIES)
@torch.no_grad()
def test_transformers_reads_our_folder_and_gets_our_logits(
    tmp_path: Path, tokenizer: Tokenizer, qk_norm: bool, n_kv_head: int, tie: bool
) -> None:
    model = random_model(shape(qk_norm=qk_norm, n_kv_head=n_kv_head, tie=tie))
    save_model(tmp_path / "m", model, tokenizer, lineage={"stage": "test"})
    theirs, report = AutoModelForCausalLM.from_pretrained(tmp_path / "m", output_loading_info=True)
    assert type(theirs).__name__ == ("Qwen3ForCausalLM" if qk_norm else "LlamaForCausalLM")
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert sum(p.numel() for p in theirs.parameters()) == model.config.n_params()
    torch.testing.assert_close(model(ROWS), theirs(ROWS).logits.float(), atol=1e-4, rtol=1e-4)
    assert theirs.generation_config.eos_token_id == [tokenizer.endoftext, tokenizer.im_end]


@pytest.mark.parametrize(("qk_norm", "n_kv_head", "tie"), FAMILIES)
@torch.no_grad()
def test_we_read_the_folder_of_transformers_and_get_its_logits(
    tmp_path: Path, tokenizer: Tokenizer, qk_norm: bool, n_kv_head: int, tie: bool
) -> None:
    config = (Qwen3Config if qk_norm else LlamaConfig)(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=n_kv_head, head_dim=32, max_position_embeddings=128, tie_word_embeddings=tie,
        rope_theta=9000.0, rms_norm_eps=1e-5,
    )  # fmt: skip
    torch.manual_seed(0)
    theirs = (Qwen3ForCausalLM if qk_norm else LlamaForCausalLM)(config).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    theirs.save_pretrained(tmp_path / "m")
    tokenizer.save(tmp_path / "m")
    ours, _ = load_model(tmp_path / "m")
    assert ours.config.tie_embeddings == tie
    torch.testing.assert_close(ours(ROWS), theirs(ROWS).logits.float(), atol=1e-4, rtol=1e-4)


FOREIGN = {
    "qwen2": {"qk_norm": False, "qkv_bias": True},
    "llama3": {"qk_norm": False, "rope_scaling": RopeScaling(8.0, 1.0, 4.0, 32)},
}


@pytest.mark.parametrize("kind", FOREIGN)
@torch.no_grad()
def test_transformers_computes_the_other_families_as_we_do(tmp_path: Path, tokenizer: Tokenizer, kind: str) -> None:
    config = dataclasses.replace(shape(qk_norm=False, n_kv_head=2, tie=True), **FOREIGN[kind])
    model = random_model(config)
    save_model(tmp_path / "m", model, tokenizer, lineage={})
    theirs, report = AutoModelForCausalLM.from_pretrained(tmp_path / "m", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert sum(p.numel() for p in theirs.parameters()) == config.n_params()
    torch.testing.assert_close(model(ROWS), theirs(ROWS).logits.float(), atol=1e-4, rtol=1e-4)
    plain = Transformer(dataclasses.replace(config, rope_scaling=None))
    plain.load_state_dict(model.state_dict())
    if kind == "llama3":
        assert not torch.allclose(plain(ROWS), model(ROWS), atol=1e-3), "the scaling makes no difference"


@pytest.mark.parametrize("kind", FOREIGN)
@torch.no_grad()
def test_we_compute_the_other_families_as_transformers_does(tmp_path: Path, tokenizer: Tokenizer, kind: str) -> None:
    common = {
        "vocab_size": VOCAB, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
        "tie_word_embeddings": False,
    }  # fmt: skip
    scaling = {
        "rope_type": "llama3", "rope_theta": 9000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }  # fmt: skip
    torch.manual_seed(0)
    if kind == "qwen2":
        theirs = Qwen2ForCausalLM(Qwen2Config(**common)).eval()
    else:
        theirs = LlamaForCausalLM(LlamaConfig(**common, rope_parameters=scaling)).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    theirs.save_pretrained(tmp_path / "m")
    tokenizer.save(tmp_path / "m")
    ours, _ = load_model(tmp_path / "m")
    assert ours.config.family == ("qwen2" if kind == "qwen2" else "llama")
    torch.testing.assert_close(ours(ROWS), theirs(ROWS).logits.float(), atol=1e-4, rtol=1e-4)


def test_a_fresh_model_of_a_family_with_biases_starts_them_at_zero() -> None:
    model = Transformer(dataclasses.replace(shape(qk_norm=False, n_kv_head=2, tie=True), qkv_bias=True))
    model.init_weights(0)
    assert all(not block.qkv.bias.any() for block in model.blocks)


def test_a_config_that_asks_for_more_than_the_weights_hold_takes_no_memory(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 10**9}))
    with pytest.raises(EyasError, match=r"model\.safetensors is damaged or cut short: config.json asks for"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 10**12}))
    with pytest.raises(EyasError, match="beyond the 1,048,576"):
        load_model(folder)


def test_the_card_comes_back_without_its_frame(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = random_model(shape(qk_norm=True, n_kv_head=2, tie=True))
    save_model(tmp_path / "m", model, tokenizer, lineage={}, card="# Hello\n\nA card of mine.")
    assert card_text(tmp_path / "m") == "# Hello\n\nA card of mine."
    (tmp_path / "m" / "README.md").write_text("no frame\n")
    assert card_text(tmp_path / "m") == "no frame"
    (tmp_path / "m" / "README.md").unlink()
    assert card_text(tmp_path / "m") == ""


@torch.no_grad()
def test_save_and_load_give_the_same_bits_and_the_same_tokenizer(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = random_model(shape(qk_norm=True, n_kv_head=2, tie=False))
    save_model(tmp_path / "m", model, tokenizer, lineage={"stage": "test", "seed": 7}, card="# Hello")
    again, its_tokenizer = load_model(tmp_path / "m")
    assert again.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert its_tokenizer.encode("the cat sat") == tokenizer.encode("the cat sat")
    assert json.loads((tmp_path / "m" / "lineage.json").read_text())["seed"] == 7
    card = (tmp_path / "m" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n") and "# Hello" in card


@torch.no_grad()
def test_large_models_are_sharded_and_read_back_by_both(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = random_model(shape(qk_norm=True, n_kv_head=2, tie=True))
    save_model(tmp_path / "m", model, tokenizer, lineage={}, shard_bytes=100_000)
    assert len(list((tmp_path / "m").glob("model-*.safetensors"))) > 2
    assert not (tmp_path / "m" / "model.safetensors").exists()
    assert torch.equal(load_model(tmp_path / "m")[0](ROWS), model(ROWS))
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    torch.testing.assert_close(model(ROWS), theirs(ROWS).logits, atol=1e-4, rtol=1e-4)
    next((tmp_path / "m").glob("model-00002-*")).unlink()
    with pytest.raises(EyasError, match="model-00002.* is missing"):
        load_model(tmp_path / "m")


def test_bf16_folder_loads_as_the_asked_type(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = random_model(shape(qk_norm=True, n_kv_head=2, tie=True)).bfloat16()
    save_model(tmp_path / "m", model, tokenizer, lineage={})
    assert json.loads((tmp_path / "m" / "config.json").read_text())["dtype"] == "bfloat16"
    assert stored_dtype(tmp_path / "m") == torch.bfloat16
    wide, _ = load_model(tmp_path / "m")
    assert wide.embed.weight.dtype == torch.float32 and torch.equal(wide.embed.weight.bfloat16(), model.embed.weight)


@pytest.fixture
def folder(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    save_model(tmp_path / "m", random_model(shape(qk_norm=True, n_kv_head=2, tie=True)), tokenizer, lineage={})
    return tmp_path / "m"


def test_an_existing_folder_is_never_overwritten_by_accident(folder: Path, tokenizer: Tokenizer) -> None:
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(EyasError, match="exists already"):
        save_model(folder, random_model(shape(qk_norm=True, n_kv_head=2, tie=True)), tokenizer, lineage={})
    assert (folder / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(EyasError, match=missing):
        load_model(folder)


@pytest.mark.parametrize("keep", [0, 7, 8, 300, -1])
@pytest.mark.parametrize("ours", [True, False])
def test_a_truncated_weight_file_is_named(folder: Path, keep: int, ours: bool) -> None:
    if not ours:
        (folder / "lineage.json").unlink()  # other programs record no hash: the parser itself must notice
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(EyasError, match=r"model\.safetensors is damaged"):
        load_model(folder)


def test_one_flipped_bit_in_the_weights_is_seen(folder: Path) -> None:
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(EyasError, match="not those recorded in lineage.json"):
        load_model(folder)


def test_arbitrary_bytes_for_weights_never_crash(folder: Path) -> None:
    (folder / "lineage.json").unlink()
    generator = torch.Generator().manual_seed(0)
    good = (folder / "model.safetensors").read_bytes()
    for trial in range(60):
        broken = bytearray(good[:4000] if trial % 2 else good)
        for place in torch.randint(0, 1200, (4,), generator=generator).tolist():
            broken[place] = int(torch.randint(0, 256, (1,), generator=generator))
        (folder / "model.safetensors").write_bytes(broken)
        try:
            load_weights(folder, load_config(folder))
        except EyasError:
            continue


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": {"a": "../../x"}}', '{"weight_map": [1]}', "\xff"])
def test_a_damaged_index_is_refused(folder: Path, text: str) -> None:
    (folder / "model.safetensors.index.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(EyasError, match="index"):
        load_model(folder)


def test_weights_that_do_not_match_the_config_are_named(folder: Path) -> None:
    (folder / "lineage.json").unlink()
    weights = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    save_file(weights | {name: weights[name][:50].contiguous()}, folder / "model.safetensors")
    with pytest.raises(EyasError, match=rf"{name} has shape \[50, 64\], config.json asks for \[96, 64\]"):
        load_model(folder)
    save_file({key: value for key, value in weights.items() if key != name}, folder / "model.safetensors")
    with pytest.raises(EyasError, match=f"lacks 1 weights, {name}"):
        load_model(folder)
    save_file(weights | {"model.layers.1.extra": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(EyasError, match="extra, for which config.json has no place"):
        load_model(folder)
    save_file(weights | {name: weights[name].to(torch.int8)}, folder / "model.safetensors")
    with pytest.raises(EyasError, match="quantised"):
        load_model(folder)


def test_a_tokenizer_that_does_not_fit_is_refused_on_both_ways(tmp_path: Path, folder: Path) -> None:
    words = [f"{a}{b}{c}" for a in "abcdefgh" for b in "ijklmnop" for c in "qrstuvwx"]
    large = train_tokenizer([" ".join(words)] * 3, vocab_size=310)
    with pytest.raises(EyasError, match="310 ids, the model only 300"):
        save_model(tmp_path / "n", random_model(shape(qk_norm=True, n_kv_head=2, tie=True)), large, lineage={})
    assert not (tmp_path / "n").exists()
    large.save(folder)
    with pytest.raises(EyasError, match="310 ids, the model only 300"):
        load_model(folder)


def test_no_folder_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match="does not exist"):
        load_model(tmp_path / "nowhere")
