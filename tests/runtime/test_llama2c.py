"""llama2.c's files, both ways, and what is no such file."""

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyas.errors import EyasError
from eyas.model.checkpoint import hf_views
from eyas.model.transformer import Transformer
from eyas.runtime.llama2c import (
    check_shape,
    read_llama2c,
    read_llama2c_tokenizer,
    write_llama2c,
    write_llama2c_tokenizer,
)
from eyas.text.tokenizer import Tokenizer
from tests.runtime.foreign import random_weights, same_weights, shape, word_pieces

TEXT = "the cat, the dog and the sea: café\n 12 * 34"


def by_hand(file: Path, tokens: list[int]) -> np.ndarray:
    """Logits of the model in `file` as llama2.c computes them, written down from its description: one token a step."""
    data = file.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, context = struct.unpack("<7i", data[:28])
    values = np.frombuffer(data, dtype="<f4", offset=28)
    at = 0

    def take(*shape: int) -> np.ndarray:
        nonlocal at
        at += int(np.prod(shape))
        return values[at - int(np.prod(shape)) : at].reshape(shape).astype(np.float64)

    size, kv = dim // heads, dim // heads * kv_heads
    embed, att_norm = take(abs(vocab), dim), take(layers, dim)
    wq, wk, wv = take(layers, dim, dim), take(layers, kv, dim), take(layers, kv, dim)
    wo, ffn_norm, w1 = take(layers, dim, dim), take(layers, dim), take(layers, hidden, dim)
    w2, w3, last_norm = take(layers, dim, hidden), take(layers, hidden, dim), take(dim)
    take(context * size)
    head = embed if vocab > 0 else take(abs(vocab), dim)
    assert at == len(values)

    def norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
        return np.asarray(weight * x / np.sqrt((x * x).mean() + 1e-5))

    def turn(x: np.ndarray, position: int) -> np.ndarray:
        angles = position / 10000.0 ** (np.arange(0, size, 2) / size)
        pairs = x.reshape(-1, size // 2, 2)
        real, imaginary = pairs[..., 0], pairs[..., 1]
        cos, sin = np.cos(angles), np.sin(angles)
        return np.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], axis=-1).reshape(-1, size)

    keys: list[list[np.ndarray]] = [[] for _ in range(layers)]
    mixes: list[list[np.ndarray]] = [[] for _ in range(layers)]
    x = np.zeros(dim)
    for position, token in enumerate(tokens):
        x = embed[token]
        for layer in range(layers):
            y = norm(x, att_norm[layer])
            query = turn(wq[layer] @ y, position)
            keys[layer].append(turn(wk[layer] @ y, position))
            mixes[layer].append((wv[layer] @ y).reshape(-1, size))
            out = []
            for one in range(heads):
                shared = one // (heads // kv_heads)
                scores = np.array([query[one] @ key[shared] for key in keys[layer]]) / np.sqrt(size)
                weights = np.exp(scores - scores.max())
                out.append((weights / weights.sum()) @ np.stack([mix[shared] for mix in mixes[layer]]))
            x = x + wo[layer] @ np.concatenate(out)
            y = norm(x, ffn_norm[layer])
            gate = w1[layer] @ y
            x = x + w2[layer] @ (gate / (1 + np.exp(-gate)) * (w3[layer] @ y))
    return np.asarray(head @ norm(x, last_norm))


@pytest.mark.parametrize("kind", ["llama", "llama-untied"])
def test_the_file_computes_what_the_model_does(tmp_path: Path, kind: str) -> None:
    words = word_pieces()
    model = random_weights(shape(kind, words.vocab_size))
    order = write_llama2c_tokenizer(tmp_path / "t.bin", words, words.vocab_size)
    write_llama2c(tmp_path / "m.bin", model, order)
    tokens = [1, *words.encode("the cat sat on")]
    with torch.no_grad():
        ours = model(torch.tensor([tokens]))[0, -1].double().numpy()
    np.testing.assert_allclose(by_hand(tmp_path / "m.bin", tokens), ours, atol=1e-3)


@pytest.mark.parametrize("kind", ["llama", "llama-untied"])
def test_a_model_comes_back_bit_for_bit(tmp_path: Path, kind: str) -> None:
    model = random_weights(shape(kind, 300))
    write_llama2c(tmp_path / "m.bin", model, np.arange(300))
    assert same_weights(read_llama2c(tmp_path / "m.bin"), model)


def test_a_sentencepiece_tokenizer_comes_back_with_its_ids(tmp_path: Path) -> None:
    words = word_pieces()
    order = write_llama2c_tokenizer(tmp_path / "t.bin", words, words.vocab_size + 3)
    assert order.tolist() == list(range(words.vocab_size + 3))
    again = read_llama2c_tokenizer(tmp_path / "t.bin", words.vocab_size + 3)
    assert again.encode(TEXT) == words.encode(TEXT) and again.vocab_size == words.vocab_size
    assert again.spec == words.spec
    assert again.start == again.endoftext == 1, "llama2.c ends a text where the next would start"


def test_a_byte_level_tokenizer_moves_its_ids_and_comes_back(tmp_path: Path, tokenizer: Tokenizer) -> None:
    size = tokenizer.vocab_size + 5
    order = write_llama2c_tokenizer(tmp_path / "t.bin", tokenizer, size)
    assert sorted(order.tolist()) == list(range(size))
    assert order[:3].tolist() == [tokenizer.pad, tokenizer.endoftext, tokenizer.im_end]
    again = read_llama2c_tokenizer(tmp_path / "t.bin", size)
    assert order[again.encode(TEXT)].tolist() == tokenizer.encode(TEXT)
    assert again.decode(again.encode(TEXT)) == TEXT
    assert {name: order[i] for name, i in again.special.items()} == tokenizer.special
    assert [again.start, again.endoftext, again.im_end] == [1, 1, 2]
    model = random_weights(shape("llama-untied", size))
    write_llama2c(tmp_path / "m.bin", model, order)
    moved = read_llama2c(tmp_path / "m.bin")
    with torch.no_grad():
        ours = model(torch.tensor([tokenizer.encode(TEXT)]))[0, -1]
        theirs = moved(torch.tensor([again.encode(TEXT)]))[0, -1]
    torch.testing.assert_close(theirs, ours[torch.from_numpy(order)])


def test_the_tokenizer_file_is_what_llama2c_reads(tmp_path: Path, tokenizer: Tokenizer) -> None:
    write_llama2c_tokenizer(tmp_path / "t.bin", tokenizer, tokenizer.vocab_size + 1)
    data = (tmp_path / "t.bin").read_bytes()
    longest, at, texts, scores = struct.unpack("<i", data[:4])[0], 4, [], []
    while at < len(data):
        score, length = struct.unpack_from("<fi", data, at)
        texts.append(data[at + 8 : at + 8 + length])
        scores.append(score)
        at += 8 + length
    assert longest == max(map(len, texts)) and len(texts) == tokenizer.vocab_size + 1
    assert texts[:3] == [b"<|pad|>", b"<|endoftext|>", b"<|im_end|>"] and all(texts)
    assert texts[3:259] == [b"<0x00>", *(bytes([byte]) for byte in range(1, 256))]

    ids = [3 + byte for byte in b"the cat"]  # its greedy merging, by the best score
    while True:
        pairs = [texts[a] + texts[b] for a, b in pairwise(ids)]
        joints = [(scores[texts.index(pair)], -i) for i, pair in enumerate(pairs) if pair in texts]
        if not joints:
            break
        at = -max(joints)[1]
        ids[at : at + 2] = [texts.index(texts[ids[at]] + texts[ids[at + 1]])]
    assert b"".join(texts[i] for i in ids) == b"the cat"
    assert [texts[i] for i in ids] == [tokenizer.decode_bytes([i]) for i in tokenizer.encode("the cat")]


@pytest.mark.parametrize(
    ("kind", "changes", "why"),
    [
        ("qwen3", {}, "RMSNorm on queries and keys"),
        ("qwen2", {}, "biases"),
        ("llama-scaled", {"rope_theta": 10000.0}, "RoPE scaling"),
        ("llama", {"rope_theta": 1e6}, "a rotary base of 1e"),
        ("llama", {"head_dim": 32}, "heads that do not make up the width"),
    ],
)
def test_shapes_that_llama2c_does_not_compute_are_refused(kind: str, changes: dict[str, float], why: str) -> None:
    with pytest.raises(EyasError, match=f"{why}.*--format gguf"):
        check_shape(shape(kind, 300, **changes))


def test_another_epsilon_is_told() -> None:
    assert check_shape(shape("llama", 300)) == []
    assert "1e-05" in check_shape(shape("llama", 300, norm_eps=1e-6))[0]


def test_a_tokenizer_with_too_few_special_tokens_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    spec = dict(tokenizer.spec)
    spec["added_tokens"] = spec["added_tokens"][:1]
    vocab = {token: i for token, i in spec["model"]["vocab"].items() if not (i and i < 16)}
    few = Tokenizer({**spec, "model": {**spec["model"], "vocab": vocab}}, {})
    with pytest.raises(EyasError, match="three special tokens"):
        write_llama2c_tokenizer(tmp_path / "t.bin", few, 300)


# -- foreign bytes


@pytest.fixture(scope="module", params=["pieces", "bytes"])
def files(
    request: pytest.FixtureRequest, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Tokenizer]:
    folder = tmp_path_factory.mktemp("llama2c")
    words = word_pieces() if request.param == "pieces" else tokenizer
    order = write_llama2c_tokenizer(folder / "t.bin", words, words.vocab_size)
    write_llama2c(folder / "m.bin", random_weights(shape("llama", words.vocab_size)), order)
    return folder / "m.bin", folder / "t.bin", words


def header(data: bytes, **numbers: int) -> bytes:
    names = ("dim", "hidden", "layers", "heads", "kv_heads", "vocab", "context")
    values = dict(zip(names, struct.unpack("<7i", data[:28]), strict=True)) | numbers
    return struct.pack("<7i", *values.values()) + data[28:]


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ({"dim": 0x616B3432, "hidden": 1}, "version 1 of llama2.c's format"),
        ({"layers": 0}, "neither a GGUF nor a llama2.c model"),
        ({"vocab": -(2**31)}, "neither a GGUF nor a llama2.c model"),
        ({"heads": 5}, "does not divide among 5 heads"),
        ({"layers": 1 << 24, "hidden": 1 << 24}, "its header asks for"),
        ({"context": 65}, "its header asks for"),
        ({"vocab": -300}, "its header asks for"),
    ],
)
def test_a_wrong_header_is_told(
    files: tuple[Path, Path, Tokenizer], tmp_path: Path, numbers: dict[str, int], why: str
) -> None:
    (tmp_path / "m.bin").write_bytes(header(files[0].read_bytes(), **numbers))
    with pytest.raises(EyasError, match=why):
        read_llama2c(tmp_path / "m.bin")


def test_a_model_cut_short_or_with_no_numbers_is_told(files: tuple[Path, Path, Tokenizer], tmp_path: Path) -> None:
    data = files[0].read_bytes()
    for part in (b"", data[:27], data[:-1], data + b"\0"):
        (tmp_path / "m.bin").write_bytes(part)
        with pytest.raises(EyasError, match=r"m\.bin"):
            read_llama2c(tmp_path / "m.bin")
    (tmp_path / "m.bin").write_bytes(data[:28] + struct.pack("<f", float("nan")) + data[32:])
    with pytest.raises(EyasError, match="no numbers"):
        read_llama2c(tmp_path / "m.bin")


def test_a_tokenizer_of_another_size_is_told(files: tuple[Path, Path, Tokenizer]) -> None:
    _, words, tok = files
    for size in (tok.vocab_size - 1, tok.vocab_size + 1, 10):
        with pytest.raises(EyasError, match=f"no tokenizer of {size} tokens"):
            read_llama2c_tokenizer(words, size)
    with pytest.raises(EyasError, match="cannot be read: No such file"):
        read_llama2c_tokenizer(words.with_name("nothing"), 300)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(st.data())
def test_damaged_bytes_give_one_sentence_or_a_model(
    files: tuple[Path, Path, Tokenizer], tmp_path: Path, data: st.DataObject
) -> None:
    model, words, tok = files
    for file, name, near in ((model, "m.bin", 40), (words, "t.bin", 1 << 20)):
        content = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, min(near, len(content)) - 1))] = data.draw(st.integers(0, 255))
        (tmp_path / name).write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2, 7]))])
    for read in (
        lambda: read_llama2c(tmp_path / "m.bin"),
        lambda: read_llama2c_tokenizer(tmp_path / "t.bin", tok.vocab_size),
    ):
        try:
            found = read()
        except EyasError as error:
            assert "\n" not in str(error)
        else:
            assert (isinstance(found, Transformer) and hf_views(found)) or found.encode(TEXT)
