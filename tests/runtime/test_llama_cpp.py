"""llama.cpp as an oracle: it opens what eyas exports, cuts text into the same ids and computes the same logits."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyas.model.transformer import Transformer
from eyas.runtime.gguf_file import open_gguf
from eyas.runtime.gguf_read import load_gguf
from eyas.runtime.gguf_write import write_gguf
from eyas.text.chat import render
from eyas.text.tokenizer import Tokenizer
from tests.runtime.foreign import VARIANTS, random_weights, same_weights, shape, word_pieces

llama_cpp = pytest.importorskip("llama_cpp", reason="llama.cpp is not here (pip install llama-cpp-python)")

F32 = 0  # ggml's number: the key-value cache is f16 by default
TEXT = "the cat isn't 1234 years old,\n\n  it SWAM to Zoë's 猫 "
Opened = Callable[[Path], Any]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens a file in llama.cpp, in f32 all through; closes it before Python's end, which its own finaliser forgets."""
    open_ones = []

    def open_one(path: Path) -> Any:
        model = llama_cpp.Llama(
            str(path), n_ctx=64, n_threads=1, logits_all=True, verbose=False, type_k=F32, type_v=F32
        )
        open_ones.append(model)
        return model

    yield open_one
    for model in open_ones:
        model.close()


@torch.inference_mode()
def our_logits(model: Transformer, ids: list[int]) -> np.ndarray:
    return np.asarray(model(torch.tensor([ids]))[0].numpy())


def their_logits(model: Any, ids: list[int]) -> np.ndarray:
    model.reset()
    model.eval(ids)
    return np.array(model.scores[: len(ids)])


@pytest.mark.parametrize("kind", VARIANTS)
def test_f32_logits_are_ours(tmp_path: Path, tokenizer: Tokenizer, opened: Opened, kind: str) -> None:
    model = random_weights(shape(kind, tokenizer.vocab_size + 2))
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "f32", name="m")
    ids = [0, *tokenizer.encode(TEXT)][:60]
    np.testing.assert_allclose(their_logits(opened(tmp_path / "m.gguf"), ids), our_logits(model, ids), atol=1e-3)


def test_greedy_tokens_are_ours(tmp_path: Path, tokenizer: Tokenizer, opened: Opened) -> None:
    model = random_weights(shape("qwen3-untied", tokenizer.vocab_size))
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "f32", name="m")
    theirs = opened(tmp_path / "m.gguf")
    ours_ids = [0, *tokenizer.encode("The cat")]
    theirs_ids = list(ours_ids)
    for _ in range(40):
        ours_ids.append(int(our_logits(model, ours_ids)[-1].argmax()))
        theirs_ids.append(int(their_logits(theirs, theirs_ids)[-1].argmax()))
    assert theirs_ids == ours_ids


@pytest.mark.parametrize("kind", ["f16", "bf16", "q8_0", "q4_0"])
def test_every_type_opens_and_computes_what_we_dequantise(
    tmp_path: Path, tokenizer: Tokenizer, opened: Opened, kind: Any
) -> None:
    model = random_weights(shape("llama-untied", tokenizer.vocab_size), deviation=0.1)
    write_gguf(tmp_path / "m.gguf", model, tokenizer, kind, name="m")
    rounded, _ = load_gguf(tmp_path / "m.gguf")
    ids = [0, *tokenizer.encode(TEXT)][:60]
    ours, theirs = our_logits(rounded, ids), their_logits(opened(tmp_path / "m.gguf"), ids)
    assert np.abs(ours - theirs).max() < 0.03 * np.abs(ours).max(), "it rounds activations too, but only so far"


def requantised(source: Path, to: Path, number: int) -> Path:
    """`source` written anew by llama.cpp in the type it has under `number`."""
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread, params.allow_requantize = number, 1, True
    assert llama_cpp.llama_model_quantize(str(source).encode(), str(to).encode(), params) == 0
    return to


def test_text_becomes_the_same_ids(tmp_path: Path, tokenizer: Tokenizer, opened: Opened) -> None:
    write_gguf(tmp_path / "m.gguf", random_weights(shape("qwen3", tokenizer.vocab_size)), tokenizer, "f32", name="m")
    theirs = opened(tmp_path / "m.gguf")

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=40))
    def same(text: str) -> None:
        text = text.encode("utf-8", "replace").decode()
        ids = theirs.tokenize(text.encode(), add_bos=False, special=False)
        if not any(name in text for name in tokenizer.special):
            assert ids == tokenizer.encode(text)

    same()


def test_special_tokens_are_found_by_name(tmp_path: Path, tokenizer: Tokenizer, opened: Opened) -> None:
    write_gguf(tmp_path / "m.gguf", random_weights(shape("qwen3", tokenizer.vocab_size)), tokenizer, "f32", name="m")
    theirs = opened(tmp_path / "m.gguf")
    for name, i in tokenizer.special.items():
        assert theirs.tokenize(f"a{name} b".encode(), add_bos=False, special=True) == [
            *tokenizer.encode("a"), i, *tokenizer.encode(" b"),
        ]  # fmt: skip
    hidden = "<|im_end|>"
    assert theirs.tokenize(hidden.encode(), add_bos=False, special=False) == tokenizer.encode(hidden)
    assert theirs.detokenize([tokenizer.special["<think>"]]) == b"<think>", "clients that parse an answer see it"
    assert (theirs.token_bos(), theirs.token_eos()) == (tokenizer.endoftext, tokenizer.endoftext)


@pytest.mark.parametrize("start_first", [True, False])
def test_texts_begin_with_the_start_where_the_model_wants_it(
    tmp_path: Path, tokenizer: Tokenizer, opened: Opened, start_first: bool
) -> None:
    model = random_weights(shape("qwen3", tokenizer.vocab_size))
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "f32", name="m", start_first=start_first)
    ids = opened(tmp_path / "m.gguf").tokenize(b"the cat", add_bos=True)
    assert ids == [0] * start_first + tokenizer.encode("the cat")


def test_the_chat_template_makes_our_prompts(tmp_path: Path, tokenizer: Tokenizer, opened: Opened) -> None:
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    write_gguf(tmp_path / "m.gguf", random_weights(shape("qwen3", tokenizer.vocab_size)), tokenizer, "f32", name="m")
    theirs = opened(tmp_path / "m.gguf")
    template = theirs.metadata["tokenizer.chat_template"]
    messages: list[Any] = [
        {"role": "user", "content": "The cat?"},
        {"role": "assistant", "content": "It sat."},
        {"role": "user", "content": "Where?"},
    ]
    made = Jinja2ChatFormatter(template=template, eos_token="", bos_token="")(messages=messages).prompt
    ids = theirs.tokenize(made.encode(), add_bos=False, special=True)
    assert ids == render(tokenizer, messages, add_generation_prompt=True).ids


def test_a_sentencepiece_tokenizer_works_there_as_here(tmp_path: Path, opened: Opened) -> None:
    words = word_pieces()
    write_gguf(tmp_path / "m.gguf", random_weights(shape("llama", words.vocab_size)), words, "f32", name="m")
    theirs = opened(tmp_path / "m.gguf")
    assert (theirs.token_bos(), theirs.token_eos()) == (words.start, words.endoftext)

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.one_of(st.text(st.sampled_from("thecado sinmr,é"), max_size=30), st.text(max_size=20)))
    def same(text: str) -> None:
        text = text.encode("utf-8", "replace").decode()
        assert theirs.tokenize(text.encode(), add_bos=False, special=False) == words.encode(text)

    same()


@pytest.mark.parametrize(("name", "number"), [("Q4_K", 15), ("Q6_K", 18), ("Q5_K", 17), ("Q4_1", 3), ("Q5_1", 9)])
def test_what_llama_cpp_quantised_is_read_as_it_reads_it(
    tmp_path: Path, tokenizer: Tokenizer, name: str, number: int
) -> None:
    model = random_weights(shape("llama", tokenizer.vocab_size, n_embd=256, n_head=4, head_dim=64, n_ff=256))
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "f32", name="m")
    rounded = requantised(tmp_path / "m.gguf", tmp_path / "k.gguf", number)
    assert name in {entry.type.name for entry in open_gguf(rounded).tensors.values()}
    ours, words = load_gguf(rounded)
    assert words.fingerprint == tokenizer.fingerprint and ours.config == model.config
    assert same_weights(ours, load_gguf(requantised(rounded, tmp_path / "wide.gguf", 0))[0])


@pytest.mark.parametrize("kind", ["f16", "bf16", "q8_0", "q4_0"])
def test_what_we_quantised_llama_cpp_reads_as_we_do(tmp_path: Path, tokenizer: Tokenizer, kind: Any) -> None:
    model = random_weights(shape("qwen3-untied", tokenizer.vocab_size))
    write_gguf(tmp_path / "m.gguf", model, tokenizer, kind, name="m")
    ours, _ = load_gguf(tmp_path / "m.gguf")
    assert same_weights(ours, load_gguf(requantised(tmp_path / "m.gguf", tmp_path / "wide.gguf", 0))[0])


def test_the_metadata_reads_as_text(tmp_path: Path, tokenizer: Tokenizer, opened: Opened) -> None:
    model = random_weights(shape("qwen3", tokenizer.vocab_size))
    write_gguf(tmp_path / "m.gguf", model, tokenizer, "f32", name="owl", lineage={"stage": "pretrain", "seed": 7})
    told = opened(tmp_path / "m.gguf").metadata
    assert told["general.name"] == "owl" and json.loads(told["eyas.lineage"])["seed"] == 7
