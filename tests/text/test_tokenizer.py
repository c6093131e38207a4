import copy
import json
import os
import random
import subprocess
import sys
import warnings
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from eyas.errors import EyasError
from eyas.text import Tokenizer, train_tokenizer
from eyas.text.blanks import LONG, cut_blanks
from eyas.text.bpe import QWEN2_PATTERN, SPECIAL_TOKENS
from eyas.text.tokenizer import _UNUSED
from tests.text.strings import SENTENCES, hostile, ordinary, property_test

# -- equal to the reference


@property_test
@given(ordinary)
def test_ids_equal_those_of_transformers(tok: Tokenizer, reference: Any, text: str) -> None:
    assert tok.encode(text) == reference(text)["input_ids"]


@property_test
@given(hostile)
def test_text_never_becomes_a_special_token_and_comes_back(tok: Tokenizer, text: str) -> None:
    ids = tok.encode(text)
    assert not tok.special_ids.intersection(ids)
    mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert tok.decode(ids) == mended
    assert tok.token_bytes[ids].sum() == len(mended.encode())


def test_code_points_of_every_plane_encode_as_in_the_reference(tok: Tokenizer, reference: Any) -> None:
    """Letters, numbers and blanks must be the same sets in both regex engines."""
    rng = random.Random(1)
    points = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    points = points[:0x3100] + rng.sample(points, 25_000)
    for glue in ("", " "):
        rng.shuffle(points)
        texts = [glue.join(points[i : i + 2048]) for i in range(0, len(points), 2048)]
        expected = reference(texts)["input_ids"]
        assert [ids.tolist() for ids in tok.encode_batch(texts)] == expected


def test_model_folder_with_a_config_gives_the_same_ids(tok: Tokenizer, folder: Path, tmp_path: Path) -> None:
    auto = pytest.importorskip("transformers").AutoTokenizer
    for kind, architecture in (("qwen3", "Qwen3ForCausalLM"), ("llama", "LlamaForCausalLM")):
        tok.save(tmp_path)
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, "architectures": [architecture]}))
        theirs = auto.from_pretrained(tmp_path)
        for text in SENTENCES:
            assert theirs(text)["input_ids"] == tok.encode(text)
            assert theirs.decode(tok.encode(text)) == text


def test_special_tokens_have_their_fixed_ids(tok: Tokenizer, reference: Any) -> None:
    assert [tok.special[token] for token in SPECIAL_TOKENS] == list(range(16))
    assert (tok.endoftext, tok.im_start, tok.im_end, tok.pad) == (0, 1, 2, 3)
    assert reference.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == list(range(16))
    assert reference("".join(SPECIAL_TOKENS))["input_ids"] == list(range(16))
    assert tok.token_bytes[:16].tolist() == [0] * 16 and tok.token_bytes[16:272].tolist() == [1] * 256
    assert reference.eos_token_id == 0 and reference.pad_token_id == 3 and len(reference) == tok.vocab_size


def test_file_has_no_normaliser_and_the_qwen2_regex(folder: Path) -> None:
    spec = json.loads((folder / "tokenizer.json").read_text())
    assert spec["normalizer"] is None and spec["decoder"]["type"] == "ByteLevel"
    assert spec["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] == QWEN2_PATTERN
    config = json.loads((folder / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast" and config["add_bos_token"] is False


def test_the_name_that_tiktoken_is_given_is_plain_text(tok: Tokenizer, reference: Any) -> None:
    for text in (*_UNUSED, "a".join([*_UNUSED, " b ", *_UNUSED, *_UNUSED])):
        assert tok.encode(text) == reference(text)["input_ids"]


# -- bulk, decoding, copies


def test_batch_equals_one_by_one_for_any_number_of_threads(tok: Tokenizer, corpus: list[str]) -> None:
    texts = [*corpus, "", "\ud800", "x" * 600_000, *SPECIAL_TOKENS]
    expected = [tok.encode(text) for text in texts]
    for threads in (1, 2, 5):
        found = tok.encode_batch(texts, threads=threads)
        assert all(ids.dtype == np.uint16 for ids in found)
        assert [ids.tolist() for ids in found] == expected
    assert tok.encode_batch([]) == []


def test_decoding_shows_or_hides_specials_and_refuses_negative_ids(tok: Tokenizer) -> None:
    ids = [tok.im_start, *tok.encode("hi"), tok.im_end]
    assert tok.decode(ids) == "<|im_start|>hi<|im_end|>"
    assert tok.decode(ids, special=False) == "hi"
    assert tok.decode_bytes([tok.vocab_size + 7]) == b""
    with pytest.raises(EyasError, match="-100"):
        tok.decode([-100])


def test_saved_and_copied_tokenizers_are_the_same(tok: Tokenizer, folder: Path) -> None:
    for other in (Tokenizer.load(folder), Tokenizer.load(folder / "tokenizer.json"), copy.deepcopy(tok)):
        assert other.fingerprint == tok.fingerprint and other.special == tok.special
        assert [other.encode(text) for text in SENTENCES] == [tok.encode(text) for text in SENTENCES]


@pytest.mark.parametrize(
    "blanks", [" " * LONG, "\n" * (LONG // 2) + " " * LONG, " \t" * LONG, "\n" * LONG, "\r\n " * LONG]
)
@pytest.mark.parametrize("before", ["", "a", "!", "7", "é ."])
def test_very_long_white_space_is_cut_as_the_regex_would(
    tok: Tokenizer, reference: Any, blanks: str, before: str
) -> None:
    for after in ("", "x", "!", "5"):
        parts = cut_blanks(before + blanks + after)
        assert "".join(part for part, _ in parts) == before + blanks + after
    text = before + blanks + random.Random(before + blanks[:9]).choice(["", "x", "!", "5"])
    assert tok.encode(text) == reference(text)["input_ids"]


def test_millions_of_blanks_neither_fail_nor_stop_training(tok: Tokenizer) -> None:
    text = "a word " + " " * 1_500_000 + "another word"
    assert tok.decode(tok.encode(text)) == text
    assert train_tokenizer([text], 275).vocab_size == 275


# -- training


def test_training_is_deterministic_whatever_the_order_and_the_threads(corpus: list[str], tmp_path: Path) -> None:
    code = (
        "import json, sys; from eyas.text import train_tokenizer; texts = json.load(open(sys.argv[1]));"
        "print(train_tokenizer(iter(texts), 500).fingerprint)"
    )
    file = tmp_path / "texts.json"
    seen = set()
    for threads, texts in (("1", corpus), ("2", corpus[::-1])):
        file.write_text(json.dumps(texts))
        command = [sys.executable, "-c", code, str(file)]
        environment = {**os.environ, "RAYON_NUM_THREADS": threads}
        seen.add(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)
    seen.add(train_tokenizer(corpus, 500).fingerprint + "\n")
    assert len(seen) == 1


def test_each_merge_is_a_most_frequent_pair(tok: Tokenizer, corpus: list[str], folder: Path) -> None:
    """Replays the first merges by plain counting."""
    spec = json.loads((folder / "tokenizer.json").read_text())
    split = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(QWEN2_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(False, use_regex=False),
        ]
    )
    words = Counter(tuple(piece) for text in corpus for piece, _ in split.pre_tokenize_str(text))
    for left, right in spec["model"]["merges"][:40]:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        assert pairs[left, right] == max(pairs.values())
        words = Counter({_joined(word, left, right): count for word, count in words.items()})


def _joined(word: tuple[str, ...], left: str, right: str) -> tuple[str, ...]:
    out: list[str] = []
    for part in word:
        if out and part == right and out[-1] == left:
            out[-1] += right
        else:
            out.append(part)
    return tuple(out)


def test_training_streams_and_reports_progress() -> None:
    seen: list[int] = []
    tok = train_tokenizer((f"number {i} of {chr(0x4E00 + i)} " for i in range(1000)), 300, progress=seen.append)
    assert tok.vocab_size == 300 and len(seen) == 1000 and seen == sorted(seen)


def test_small_corpus_gives_a_smaller_vocabulary_and_says_so() -> None:
    with pytest.warns(UserWarning, match="the vocabulary has 274"):
        tok = train_tokenizer(["ab ab"], 4096)
    assert tok.decode(tok.encode("ab \u0000é")) == "ab \u0000é"


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_empty_corpus_is_refused(texts: list[str]) -> None:
    with pytest.raises(EyasError, match="empty"):
        train_tokenizer(texts)


def test_vocabulary_without_room_for_the_bytes_is_refused() -> None:
    with pytest.raises(EyasError, match="272"):
        train_tokenizer(["text"], 271)
    assert train_tokenizer(["text"], 272).vocab_size == 272


# -- tokenizers of others


def _foreign(kind: str, corpus: list[str], path: Path) -> tokenizers.Tokenizer:
    """A tokenizer.json as GPT-2, Qwen or Llama-3 ship it, trained by the `tokenizers` library."""
    theirs = tokenizers.Tokenizer(models.BPE(ignore_merges=kind == "llama3"))
    if kind in ("gpt2", "neox"):
        theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        regex = QWEN2_PATTERN.replace(
            r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
        )
        assert regex != QWEN2_PATTERN
        if kind == "llama3":
            regex = regex.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
        split = pre_tokenizers.Split(tokenizers.Regex(regex), "isolated")
        theirs.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    theirs.decoder = decoders.ByteLevel()
    if kind == "qwen":
        theirs.normalizer = normalizers.NFC()
    special = ["<|endoftext|>"] if kind != "qwen" else []
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    theirs.train_from_iterator(corpus, trainer)
    if kind == "neox":  # runs of blanks are added tokens, but text and no specials
        theirs.add_special_tokens(["<|padding|>"])
        theirs.add_tokens([tokenizers.AddedToken(" " * n, normalized=True) for n in (8, 3, 2)])
    if kind == "qwen":
        theirs.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
        theirs.add_tokens([tokenizers.AddedToken(t, normalized=False) for t in ("<think>", "</think>", "<tool_call>")])
    theirs.save(str(path / "tokenizer.json"))
    return theirs


@pytest.mark.parametrize("kind", ["gpt2", "qwen", "llama3", "neox"])
def test_foreign_byte_level_tokenizers_keep_their_ids(kind: str, corpus: list[str], tmp_path: Path) -> None:
    theirs = _foreign(kind, corpus, tmp_path)
    tok = Tokenizer.load(tmp_path)
    assert tok.endoftext == theirs.token_to_id("<|endoftext|>")
    assert tok.vocab_size == theirs.get_vocab_size()

    @property_test
    @given(ordinary)
    def same(text: str) -> None:
        assert tok.encode(text) == theirs.encode(text, add_special_tokens=False).ids

    @property_test
    @given(hostile)
    def safe(text: str) -> None:
        assert not tok.special_ids.intersection(tok.encode(text))

    same()
    safe()
    tok.save(tmp_path / "copy")
    assert Tokenizer.load(tmp_path / "copy").encode("Cafe\u0301") == tok.encode("Cafe\u0301")
    if kind == "gpt2":
        with pytest.raises(EyasError, match="im_start"):
            _ = tok.im_start


def _refused(spec: Any, path: Path, match: str) -> None:
    (path / "tokenizer.json").write_text(json.dumps(spec))
    with pytest.raises(EyasError, match=match) as caught:
        Tokenizer.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_other_kinds_are_refused_with_one_sentence(tok: Tokenizer, folder: Path, tmp_path: Path) -> None:
    good = json.loads((folder / "tokenizer.json").read_text())

    def changed(part: str, **values: Any) -> Any:
        return {**good, part: {**(good[part] or {}), **values}}

    _refused([], tmp_path, "no BPE model")
    _refused({}, tmp_path, "no BPE model")
    _refused(changed("model", type="Unigram"), tmp_path, "Unigram")
    _refused(changed("model", byte_fallback=True), tmp_path, "no token for 256 of the bytes")
    _refused({**good, "normalizer": {"type": "Lowercase"}}, tmp_path, "normaliser")
    _refused({**good, "decoder": {"type": "Metaspace"}}, tmp_path, "ByteLevel")
    _refused({**good, "pre_tokenizer": {"type": "Metaspace"}}, tmp_path, "Metaspace")
    _refused({**good, "pre_tokenizer": None}, tmp_path, "pre-tokenizer")
    _refused({**good, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, tmp_path, "add_prefix_space")
    _refused(changed("model", vocab={**good["model"]["vocab"], "▁the": 5000}), tmp_path, "▁the")
    without_a = {token: i for token, i in good["model"]["vocab"].items() if token != "a"}
    _refused(changed("model", vocab=without_a), tmp_path, "1 of the bytes")
    _refused(changed("model", merges=[*good["model"]["merges"], ["q", "zzz"]]), tmp_path, "zzz")
    _refused(changed("model", merges=[["a", "b", "c"]]), tmp_path, "damaged")
    merged = "".join(good["model"]["merges"][0])
    stolen = {"id": good["model"]["vocab"][merged], "content": merged, "special": True}
    _refused({**good, "added_tokens": [*good["added_tokens"], stolen]}, tmp_path, "plain text could yield")
    _refused({**good, "added_tokens": [{"id": "x"}]}, tmp_path, "damaged")
    (tmp_path / "tokenizer.json").write_text('{"model"')
    with pytest.raises(EyasError, match="damaged"):
        Tokenizer.load(tmp_path)
    with pytest.raises(EyasError, match="missing"):
        Tokenizer.load(tmp_path / "nowhere")


def test_no_warning_when_the_vocabulary_is_full(corpus: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert train_tokenizer(corpus, 300).vocab_size == 300
