"""Tokenizers through GGUF and back: equal ids, and a chat template that renders the same."""

from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pytest
from gguf import GGUFWriter, TokenType
from jinja2.sandbox import ImmutableSandboxedEnvironment

from eyas.errors import EyasError
from eyas.runtime.gguf_file import open_gguf
from eyas.runtime.gguf_tokenizer import LLAMA3_PATTERN, add_tokenizer, plain_template, read_tokenizer
from eyas.text.bpe import GPT2_PATTERN, QWEN2_PATTERN, byte_level_spec, read_model
from eyas.text.chat import render_text
from eyas.text.tokenizer import CHAT_TEMPLATE, Tokenizer
from tests.runtime.foreign import word_pieces

# How llama.cpp and how the models' own files spell the same part of a splitter.
ANY_CASE, FOLDED = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TEXT = "the cat isn't 1234 years old,\n\n  it SWAM to Zoë's 猫  "
TALK: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "text", "text": "2 + 2?\n"}]},
    {
        "role": "assistant",
        "content": "",
        "reasoning_content": "a sum",
        "tool_calls": [{"function": {"name": "calculator", "arguments": {"expression": "2+2"}}}],
    },
    {"role": "tool", "content": "4"},
    {"role": "assistant", "content": " It is 4."},
]
TOOLS = [{"type": "function", "function": {"name": "calculator", "parameters": {}}}]


def metadata(path: Path, tokenizer: Tokenizer, vocab_size: int | None = None, start_first: bool = False) -> Any:
    writer = GGUFWriter(path / "t.gguf", "llama")
    add_tokenizer(writer, tokenizer, vocab_size or tokenizer.vocab_size, start_first=start_first)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return open_gguf(path / "t.gguf").metadata


def foreign(tokenizer: Tokenizer, pattern: str, **options: Any) -> Tokenizer:
    """The tokenizer with another splitter."""
    vocab, merges = read_model(tokenizer.spec)
    added = {name: name.startswith("<|") for name in tokenizer.special}
    return Tokenizer(byte_level_spec(vocab, merges, added, pattern=pattern, **options))


def test_our_tokenizer_comes_back_whole(tmp_path: Path, tokenizer: Tokenizer) -> None:
    found = metadata(tmp_path, tokenizer, tokenizer.vocab_size + 4)
    assert (found["tokenizer.ggml.model"], found["tokenizer.ggml.pre"]) == ("gpt2", "qwen2")
    assert len(found["tokenizer.ggml.tokens"]) == tokenizer.vocab_size + 4
    again = read_tokenizer(found, tokenizer.vocab_size + 4, "t.gguf")
    assert again.fingerprint == tokenizer.fingerprint and again.vocab_size == tokenizer.vocab_size
    assert (again.start, again.endoftext, again.pad) == (tokenizer.start, tokenizer.endoftext, tokenizer.pad)


def test_ends_and_types_are_what_llama_cpp_expects(tmp_path: Path, tokenizer: Tokenizer) -> None:
    found = metadata(tmp_path, tokenizer, tokenizer.vocab_size + 1, start_first=True)
    ids = {key: found[f"tokenizer.ggml.{key}_token_id"] for key in ("bos", "eos", "eot", "padding")}
    assert ids == {"bos": 0, "eos": 0, "eot": 2, "padding": 3} and found["tokenizer.ggml.add_bos_token"] is True
    types = dict(zip(found["tokenizer.ggml.tokens"], found["tokenizer.ggml.token_type"].tolist(), strict=True))
    assert types["<|im_end|>"] == TokenType.CONTROL and types["<think>"] == TokenType.USER_DEFINED
    assert types["a"] == TokenType.NORMAL and types[f"[PAD{tokenizer.vocab_size}]"] == TokenType.UNUSED


def test_a_sentencepiece_tokenizer_comes_back_whole(tmp_path: Path) -> None:
    words = word_pieces()
    found = metadata(tmp_path, words, start_first=True)
    assert found["tokenizer.ggml.model"] == "llama" and found["tokenizer.ggml.add_space_prefix"] is True
    types = found["tokenizer.ggml.token_type"].tolist()
    assert types[:4] == [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, TokenType.BYTE]
    again = read_tokenizer(found, words.vocab_size, "t.gguf")
    assert again.spec == words.spec and again.encode(TEXT) == words.encode(TEXT)
    assert (again.start, again.endoftext, again.chat_template) == (1, 2, None)


@pytest.mark.parametrize(
    ("pattern", "options", "pre"),
    [
        (LLAMA3_PATTERN, {"ignore_merges": True}, "llama-bpe"),
        (LLAMA3_PATTERN.replace(ANY_CASE, FOLDED), {"ignore_merges": True}, "llama-bpe"),
        (QWEN2_PATTERN.replace(ANY_CASE, FOLDED), {}, "qwen2"),
        (GPT2_PATTERN, {}, "gpt-2"),
    ],
)
def test_other_splitters_go_by_the_name_llama_cpp_has(
    tmp_path: Path, tokenizer: Tokenizer, pattern: str, options: dict[str, Any], pre: str
) -> None:
    theirs = foreign(tokenizer, pattern, **options)
    found = metadata(tmp_path, theirs)
    assert found["tokenizer.ggml.pre"] == pre
    again = read_tokenizer(found, theirs.vocab_size, "t.gguf")
    assert again.encode(TEXT) == theirs.encode(TEXT)


def test_a_splitter_without_a_name_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(EyasError, match="no name for this tokenizer's splitter"):
        metadata(tmp_path, foreign(tokenizer, r"\p{L}+|\s+|."))


@pytest.mark.parametrize("tools", [None, TOOLS])
@pytest.mark.parametrize("prompt", [True, False])
def test_the_template_without_marks_renders_the_same(tools: Any, prompt: bool) -> None:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "sort_keys": False}
    made = environment.from_string(plain_template(CHAT_TEMPLATE)).render(
        messages=TALK, tools=tools, add_generation_prompt=prompt
    )
    assert made == render_text(TALK, tools, add_generation_prompt=prompt)


def test_marks_keep_their_white_space_control() -> None:
    template = "a {%- generation -%} b {% endgeneration -%} c {% generation %}d{%endgeneration%}"
    assert jinja2.Template(plain_template(template)).render() == "ab c d"
    assert plain_template("{{ generation }}") == "{{ generation }}"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tokenizer.ggml.model": "bert"}, "of kind bert"),
        ({"tokenizer.ggml.model": None}, "of kind None"),
        ({"tokenizer.ggml.pre": "deepseek-v3"}, "splits text as deepseek-v3"),
        ({"tokenizer.ggml.tokens": 5}, "lacks tokenizer.ggml.tokens"),
        ({"tokenizer.ggml.tokens": []}, "has 0 tokens"),
        ({"tokenizer.ggml.tokens": ["a"] * 300}, "'a' twice"),
        ({"tokenizer.ggml.merges": ["ab"]}, "'ab' is no merge"),
        ({"tokenizer.ggml.merges": ["a qqq"]}, "not in the vocabulary"),
        ({"tokenizer.ggml.token_type": np.ones(3)}, "each token's type"),
        ({"tokenizer.ggml.token_type": "x"}, "each token's type"),
    ],
)
def test_a_damaged_tokenizer_is_told(tmp_path: Path, tokenizer: Tokenizer, change: dict[str, Any], why: str) -> None:
    with pytest.raises(EyasError, match=why) as caught:
        read_tokenizer(metadata(tmp_path, tokenizer) | change, tokenizer.vocab_size, "t.gguf")
    assert "t.gguf" in str(caught.value) and "\n" not in str(caught.value)


def test_a_token_twice_is_told(tmp_path: Path, tokenizer: Tokenizer) -> None:
    found = metadata(tmp_path, tokenizer)
    found["tokenizer.ggml.tokens"][299] = found["tokenizer.ggml.tokens"][298]
    with pytest.raises(EyasError, match="twice"):
        read_tokenizer(found, tokenizer.vocab_size, "t.gguf")


@pytest.mark.parametrize("scores", [None, np.zeros(3), np.full(295, np.nan)])
def test_missing_scores_are_told(tmp_path: Path, scores: Any) -> None:
    words = word_pieces()
    with pytest.raises(EyasError, match="each token's score"):
        read_tokenizer(metadata(tmp_path, words) | {"tokenizer.ggml.scores": scores}, words.vocab_size, "t.gguf")
