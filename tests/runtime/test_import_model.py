"""`eyas import`: other people's files become model folders, or one sentence says why not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from eyas.errors import EyasError
from eyas.files import sha256_file
from eyas.model.checkpoint import load_model, save_model, stored_dtype
from eyas.runtime.gguf_write import write_gguf
from eyas.runtime.import_model import ImportConfig, ImportResult, run
from eyas.runtime.llama2c import write_llama2c, write_llama2c_tokenizer
from eyas.store.lineage import read_lineage
from eyas.text.tokenizer import Tokenizer
from tests.runtime.foreign import VARIANTS, random_weights, same_weights, shape, word_pieces

TEXT = "the cat isn't 1234 years old,\n\n  it SWAM to Zoë's 猫 "


def import_(source: Path | str, out: Path, **settings: Any) -> ImportResult:
    return run(ImportConfig(source=str(source), out=out, **settings))


@pytest.mark.parametrize("kind", VARIANTS)
def test_a_gguf_becomes_a_model_bit_for_bit(tmp_path: Path, tokenizer: Tokenizer, kind: str) -> None:
    model = random_weights(shape(kind, 300))
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "f32", name="m", lineage={"stage": "pretrain"}, card="A card.")
    done = import_(tmp_path / "m.gguf", tmp_path / "out")
    again, words = load_model(tmp_path / "out")
    assert same_weights(again, model) and words.encode(TEXT) == tokenizer.encode(TEXT)
    assert (done.kind, done.family, done.type) == ("gguf", model.config.family, "f32")
    lineage = read_lineage(tmp_path / "out")
    assert lineage["stage"] == "import" and lineage["origin"] == {"stage": "pretrain"} and lineage["parent"] is None
    assert lineage["data"] == [{"source": str(tmp_path / "m.gguf"), "sha256": sha256_file(tmp_path / "m.gguf")}]
    assert "A card." in (tmp_path / "out" / "README.md").read_text()


def test_halves_stay_halves_and_quantised_weights_become_float32(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = random_weights(shape("qwen3", 300)).bfloat16()
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "bf16", name="m")
    assert import_(tmp_path / "m.gguf", tmp_path / "half").type == "bf16"
    assert stored_dtype(tmp_path / "half") == torch.bfloat16
    write_gguf(tmp_path / "q.gguf", model, tokenizer, "q4_0", name="m")
    assert import_(tmp_path / "q.gguf", tmp_path / "wide").type == "f32"


@pytest.mark.parametrize("words", ["bytes", "pieces"])
def test_a_llama2c_file_becomes_a_model(tmp_path: Path, tokenizer: Tokenizer, words: str) -> None:
    its = word_pieces() if words == "pieces" else tokenizer
    model = random_weights(shape("llama", its.vocab_size))
    order = write_llama2c_tokenizer(tmp_path / "tok.bin", its, its.vocab_size)
    write_llama2c(tmp_path / "m.bin", model, order)
    with pytest.raises(EyasError, match="comes without its tokenizer; give the file with --tokenizer"):
        import_(tmp_path / "m.bin", tmp_path / "out")
    done = import_(tmp_path / "m.bin", tmp_path / "out", tokenizer=tmp_path / "tok.bin")
    assert (done.kind, done.family) == ("llama2c", "llama")
    again, its_again = load_model(tmp_path / "out")
    assert torch.equal(again.embed.weight, model.embed.weight[torch.from_numpy(order)])
    assert order[its_again.encode("the cat")].tolist() == its.encode("the cat")
    assert len(read_lineage(tmp_path / "out")["data"]) == 2


@pytest.mark.parametrize("name", ["m-tokenizer.bin", "tokenizer.bin"])
def test_the_tokenizer_of_a_llama2c_file_is_found_beside_it(tmp_path: Path, name: str) -> None:
    words = word_pieces()
    write_llama2c_tokenizer(tmp_path / name, words, words.vocab_size)
    write_llama2c(tmp_path / "m.bin", random_weights(shape("llama", words.vocab_size)), np.arange(words.vocab_size))
    import_(tmp_path / "m.bin", tmp_path / "out")
    assert Tokenizer.load(tmp_path / "out").encode("the cat") == words.encode("the cat")


def hub_folder(folder: Path, kind: str, tokenizer: Tokenizer) -> Any:
    """A folder as `transformers` saves it, with a tokenizer of its own making."""
    common = {
        "vocab_size": 320, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 64, "tie_word_embeddings": kind == "qwen2",
    }  # fmt: skip
    torch.manual_seed(0)
    theirs: Any = (
        Qwen2ForCausalLM(Qwen2Config(**common)) if kind == "qwen2" else LlamaForCausalLM(LlamaConfig(**common))
    )
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    theirs.eval().save_pretrained(folder)
    spec = tokenizer.spec if kind == "qwen2" else word_pieces().spec
    (folder / "tokenizer.json").write_text(json.dumps(spec))
    named = (
        {"eos_token": "<|im_end|>", "bos_token": None} if kind == "qwen2" else {"eos_token": "</s>", "bos_token": "<s>"}
    )
    (folder / "tokenizer_config.json").write_text(json.dumps({**named, "chat_template": "theirs"}))
    return theirs


@pytest.mark.parametrize("kind", ["qwen2", "llama"])
@torch.no_grad()
def test_a_hugging_face_folder_becomes_a_model(tmp_path: Path, tokenizer: Tokenizer, kind: str) -> None:
    theirs = hub_folder(tmp_path / "hub", kind, tokenizer)
    done = import_(tmp_path / "hub", tmp_path / "out")
    assert (done.kind, done.family, done.parameters) == ("hf", kind, sum(p.numel() for p in theirs.parameters()))
    model, words = load_model(tmp_path / "out")
    reference = tokenizers.Tokenizer.from_file(str(tmp_path / "hub" / "tokenizer.json"))
    ids = words.encode("the cat swam")
    assert ids == reference.encode("the cat swam", add_special_tokens=False).ids
    torch.testing.assert_close(model(torch.tensor([ids])), theirs(torch.tensor([ids])).logits, atol=1e-4, rtol=1e-4)
    template = (tmp_path / "out" / "chat_template.jinja").read_text()
    assert (template == "theirs") == (kind == "llama"), "a ChatML tokenizer speaks with eyas's one template"
    assert words.start == (words.endoftext if kind == "qwen2" else words.special["<s>"])


def test_a_folder_of_eyas_becomes_the_parent(tmp_path: Path, tokenizer: Tokenizer) -> None:
    save_model(tmp_path / "a", random_weights(shape("qwen3", 300)), tokenizer, lineage={"stage": "pretrain"})
    import_(tmp_path / "a", tmp_path / "b")
    assert read_lineage(tmp_path / "b")["parent"]["path"] == "../a"


def test_what_is_no_model_is_told_and_leaves_nothing(tmp_path: Path, tokenizer: Tokenizer) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"x" * 100)
    (tmp_path / "w.pt").write_bytes(b"PK\x03\x04" + b"x" * 100)
    (tmp_path / "text.txt").write_text("Once upon a time there was a file that was no model at all.")
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\0\0\0")
    (tmp_path / "empty").mkdir()
    (tmp_path / "there").mkdir()
    before = sorted(tmp_path.iterdir())
    for source, why in [
        ("nothing.gguf", "no such file or folder; give a .gguf, a Hugging Face folder or a .bin"),
        ("w.safetensors", "holds weights only; give the model's folder"),
        ("w.pt", "holds weights only"),
        ("text.txt", "neither a GGUF nor a llama2.c model"),
        ("cut.gguf", "ends before"),
        ("empty", "no config.json"),
    ]:
        with pytest.raises(EyasError, match=why) as caught:
            import_(tmp_path / source, tmp_path / "out")
        assert "\n" not in str(caught.value)
    with pytest.raises(EyasError, match="there exists already"):
        import_(tmp_path / "cut.gguf", tmp_path / "there")
    assert sorted(tmp_path.iterdir()) == before
