"""llama2.c's legacy format (version 0): seven integers, then float32 arrays; the tokenizer is a second file.

The program computes rotary pairs (2i, 2i+1), a norm's epsilon of 1e-5 and a rotary base of 10,000, always.
"""

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from eyas.errors import EyasError
from eyas.model.checkpoint import hf_views, unfilled
from eyas.model.config import ModelConfig
from eyas.model.network import Network
from eyas.model.transformer import rope_tables
from eyas.runtime.rotary import to_halves, to_neighbours, turned
from eyas.text.bpe import BYTE_TO_CHAR, SPECIAL_TOKENS, byte_level_spec, pairs_of, read_model, to_bytes, to_chars
from eyas.text.pieces import SPACE, build_pieces_spec, byte_piece, scores_of
from eyas.text.tokenizer import Tokenizer

NORM_EPS, ROPE_THETA = 1e-5, 10_000.0
_HEADER = struct.Struct("<7i")  # dim, hidden, layers, heads, key-value heads, vocabulary (below 0: untied), context
_ENTRY = struct.Struct("<fi")  # score, bytes
_MAGIC = 0x616B3432  # "ak42" opens the later versions
_LARGEST = 1 << 24  # of any number in the header
_FIRST_BYTE = 3  # ids 0, 1, 2 are unknown, start and end; the 256 bytes follow
_NEVER = -math.inf  # the score of a token that no text yields


# -- the model


def read_llama2c(path: Path) -> Network:
    """The model in a `.bin` file, float32, in eval mode. Raises EyasError for what is no such file."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise EyasError(f"{path} is neither a GGUF nor a llama2.c model: it has only {len(header)} bytes")
    numbers = list(_HEADER.unpack(header))
    if numbers[0] == _MAGIC:
        raise EyasError(f"{path} is of version {numbers[1]} of llama2.c's format; write it as version 0")
    tied = numbers[5] > 0
    numbers[5] = abs(numbers[5])
    if not all(0 < number <= _LARGEST for number in numbers):
        raise EyasError(f"{path} is neither a GGUF nor a llama2.c model, or damaged in its first 28 bytes")
    dim, n_ff, n_layer, n_head, n_kv_head, vocab_size, context = numbers
    if dim % n_head or (dim // n_head) % 2 or n_head % n_kv_head:
        raise EyasError(f"{path} is damaged: width {dim} does not divide among {n_head} heads over {n_kv_head}")
    config = ModelConfig(
        vocab_size, n_layer, dim, n_head, n_kv_head, dim // n_head, n_ff, context,
        rope_theta=ROPE_THETA, norm_eps=NORM_EPS, tie_embeddings=tied, qk_norm=False,
    )  # fmt: skip
    expected = _HEADER.size + 4 * (config.n_params() + context * config.head_dim)
    if size != expected:
        raise EyasError(
            f"{path} has {size:,} bytes, its header asks for {expected:,}; it is cut short or no such model"
        )
    values = np.memmap(path, dtype="<f4", mode="r", offset=_HEADER.size)
    if not np.isfinite(values).all():
        raise EyasError(f"{path} is damaged: it holds weights that are no numbers")
    model = unfilled(config).eval()
    views = hf_views(model)
    at = 0
    for name in _order(config):
        if name not in views:  # cosines and sines: they follow from the shape
            at += context * config.head_dim // 2
            continue
        view = views[name]
        array = np.array(values[at : at + view.numel()]).reshape(tuple(view.shape))
        view.copy_(torch.from_numpy(turned(array, name, config, to_halves)))
        at += view.numel()
    return model


def write_llama2c(path: Path, model: Network, order: NDArray[np.int64]) -> None:
    """Write `model` to `path`; row i of its tables is the model's row order[i]. The caller has called `check_shape`."""
    c = model.config
    views = hf_views(model)
    with open(path, "wb") as file:
        vocab_size = c.vocab_size if c.tie_embeddings else -c.vocab_size
        file.write(_HEADER.pack(c.n_embd, c.n_ff, c.n_layer, c.n_head, c.n_kv_head, vocab_size, c.max_seq_len))
        for name in _order(c):
            if name in ("cos", "sin"):
                array = rope_tables(c)[name == "sin"].numpy()
            else:
                array = turned(views[name].float().cpu().numpy(), name, c, to_neighbours)
            if name in ("model.embed_tokens.weight", "lm_head.weight"):
                array = array[order]
            file.write(np.ascontiguousarray(array, dtype="<f4").tobytes())


def check_shape(config: ModelConfig) -> list[str]:
    """What llama2.c will compute a little differently, in sentences. Raises EyasError for shapes it cannot hold."""
    refused = {
        "RMSNorm on queries and keys (a Qwen3 shape)": config.qk_norm,
        "biases (a Qwen2 shape)": config.qkv_bias,
        "RoPE scaling": config.rope_scaling is not None,
        f"a rotary base of {config.rope_theta:g}": config.rope_theta != ROPE_THETA,
        "heads that do not make up the width": config.n_head * config.head_dim != config.n_embd,
    }
    if reasons := [what for what, holds in refused.items() if holds]:
        raise EyasError(f"the model has {reasons[0]}, which llama2.c does not compute; export it with --format gguf")
    if config.norm_eps == NORM_EPS:
        return []
    return [f"llama2.c computes norms with an epsilon of {NORM_EPS:g}, this model was trained with {config.norm_eps:g}"]


def _order(config: ModelConfig) -> list[str]:
    """The arrays in the file's order, by their Hugging Face names; between them the tables `cos` and `sin`."""
    parts = (
        "input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
        "post_attention_layernorm", "mlp.gate_proj", "mlp.down_proj", "mlp.up_proj",
    )  # fmt: skip
    layers = [f"model.layers.{layer}.{part}.weight" for part in parts for layer in range(config.n_layer)]
    head = [] if config.tie_embeddings else ["lm_head.weight"]
    return ["model.embed_tokens.weight", *layers, "model.norm.weight", "cos", "sin", *head]


# -- the tokenizer


def read_llama2c_tokenizer(path: Path, vocab_size: int) -> Tokenizer:
    """The tokenizer in `path` for a model of `vocab_size` tokens. Raises EyasError for what is no such file.

    Bytes spelled <0x00> make it a SentencePiece tokenizer; bytes as themselves make it the byte-level one that
    `write_llama2c_tokenizer` wrote, for which the file names no splitter: it gets eyas's own.
    """
    entries = _entries(path, vocab_size)
    bytes_ = [text for _, text in entries[_FIRST_BYTE : _FIRST_BYTE + 256]]
    if bytes_ == [byte_piece(byte).encode() for byte in range(256)]:
        return _read_pieces(entries, path)
    if bytes_ == [_single(byte) for byte in range(256)]:
        return _read_byte_level(entries, path)
    raise EyasError(f"{path} is no llama2.c tokenizer: ids {_FIRST_BYTE} to {_FIRST_BYTE + 255} are not the bytes")


def _entries(path: Path, vocab_size: int) -> list[tuple[float, bytes]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EyasError(f"the tokenizer {path} cannot be read: {error.strerror}") from error
    entries: list[tuple[float, bytes]] = []
    at = 4  # the longest entry's length comes first; nobody here needs it
    while at < len(data) and len(entries) < vocab_size:
        if at + _ENTRY.size > len(data):
            break
        score, length = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size
        if not 0 < length <= len(data) - at or math.isnan(score):
            raise EyasError(f"{path} is no llama2.c tokenizer, or damaged at entry {len(entries)}")
        entries.append((score, data[at : at + length]))
        at += length
    if len(entries) < vocab_size or vocab_size < _FIRST_BYTE + 256 or at != len(data):
        raise EyasError(f"{path} holds no tokenizer of {vocab_size} tokens as the model's; give the one it came with")
    return entries


def _read_pieces(entries: list[tuple[float, bytes]], path: Path) -> Tokenizer:
    pieces = {"<unk>": 0, "<s>": 1, "</s>": 2}
    scores: dict[str, float] = {}
    special = list(pieces)
    for i, (score, text) in enumerate(entries[_FIRST_BYTE:], _FIRST_BYTE):
        try:
            piece = text.decode().replace(" ", SPACE)
        except UnicodeDecodeError as error:
            raise EyasError(f"{path} is damaged: entry {i} is not UTF-8") from error
        if score == _NEVER and _is_padding(text):
            continue
        if piece in pieces:
            raise EyasError(f"{path} is damaged: it holds {piece!r} twice")
        pieces[piece] = i
        if score == _NEVER:
            special.append(piece)
        elif i >= _FIRST_BYTE + 256:
            scores[piece] = score
    # llama2.c ends a text where the next would start.
    return Tokenizer(build_pieces_spec(pieces, scores, special), _config("<s>", "<s>", "<unk>"), str(path))


def _read_byte_level(entries: list[tuple[float, bytes]], path: Path) -> Tokenizer:
    vocab: dict[str, int] = {}
    learned: list[tuple[float, bytes]] = []
    added: dict[str, bool] = {}
    for i, (score, text) in enumerate(entries):
        name = text.decode("utf-8", "replace")
        if _FIRST_BYTE <= i < _FIRST_BYTE + 256:
            name = BYTE_TO_CHAR[i - _FIRST_BYTE]
        elif i < _FIRST_BYTE or (score == _NEVER and not _is_padding(text)):
            added[name] = name.startswith("<|") or name not in SPECIAL_TOKENS
        elif score == _NEVER:
            continue
        else:
            name = to_chars(text)
            learned.append((-score, text))
        if name in vocab:
            raise EyasError(f"{path} is damaged: it holds {name!r} twice")
        vocab[name] = i
    tokens = [bytes([byte]) for byte in range(256)] + [text for _, text in sorted(learned)]
    try:
        merges = [(to_chars(left), to_chars(right)) for left, right in pairs_of(tokens)]
    except AssertionError as error:
        raise EyasError(f"{path} is damaged: {error}") from error
    names = [text.decode("utf-8", "replace") for _, text in entries[:_FIRST_BYTE]]
    return Tokenizer(byte_level_spec(vocab, merges, added), _config(names[1], names[1], names[0]), str(path))


def write_llama2c_tokenizer(path: Path, tokenizer: Tokenizer, vocab_size: int) -> NDArray[np.int64]:
    """Write `tokenizer` to `path` for a model of `vocab_size` tokens; give back the order of ids llama2.c needs.

    Place i of the order holds the id that llama2.c calls i: unknown, start and end come first, then the 256 bytes.
    Raises EyasError for a tokenizer that cannot be laid out so.
    """
    texts, scores = _pieces_entries(tokenizer) if tokenizer.pieces else _byte_level_entries(tokenizer)
    first = _first_ids(tokenizer)
    rest = [i for i in range(vocab_size) if i not in set(first)]
    order = np.array([*first, *rest], dtype=np.int64)
    entries = [(scores.get(i, _NEVER), texts.get(i) or f"[PAD{i}]".encode()) for i in order.tolist()]
    with open(path, "wb") as file:
        file.write(struct.pack("<i", max(len(text) for _, text in entries)))
        for score, text in entries:
            file.write(_ENTRY.pack(score, len(text)) + text)
    return order


def _first_ids(tokenizer: Tokenizer) -> list[int]:
    """The ids that go first: one of no use, the start, another end, the bytes."""
    special, start = tokenizer.special, tokenizer.start
    others = [i for i in sorted(tokenizer.special_ids) if i != start]
    ends = [special.get("<|im_end|>"), special.get("</s>"), tokenizer.endoftext, *others[::-1]]
    end = next((i for i in ends if i in others), None)
    unknowns = [special.get("<unk>"), special.get("<|pad|>"), *others]
    unknown = next((i for i in unknowns if i in others and i != end), None)
    if end is None or unknown is None:
        raise EyasError("llama2.c needs three special tokens (unknown, start, end), and this tokenizer has fewer")
    vocab, _ = read_model(tokenizer.spec)
    names = [byte_piece(byte) if tokenizer.pieces else BYTE_TO_CHAR[byte] for byte in range(256)]
    if missing := [name for name in names if name not in vocab]:
        raise EyasError(
            f"llama2.c needs a token for each of the 256 bytes, and this tokenizer has none for {missing[0]}"
        )
    return [unknown, start, end, *(vocab[name] for name in names)]


def _pieces_entries(tokenizer: Tokenizer) -> tuple[dict[int, bytes], dict[int, float]]:
    vocab, _ = read_model(tokenizer.spec)
    texts = {
        i: piece.replace(SPACE, " ").encode("utf-8", "replace") for piece, i in (vocab | tokenizer.special).items()
    }
    scores = {vocab[piece]: score for piece, score in scores_of(tokenizer.spec).items()}
    return texts, scores | {vocab[byte_piece(byte)]: 0.0 for byte in range(256)}


def _byte_level_entries(tokenizer: Tokenizer) -> tuple[dict[int, bytes], dict[int, float]]:
    vocab, merges = read_model(tokenizer.spec)
    texts = {i: name.encode("utf-8", "replace") for name, i in tokenizer.special.items()}
    order = dict.fromkeys([*BYTE_TO_CHAR.values(), *(left + right for left, right in merges)])
    scores: dict[int, float] = {}
    for place, chars in enumerate(order):
        data = to_bytes(chars)
        if data is not None and chars in vocab and chars not in tokenizer.special:
            texts[vocab[chars]] = _single(data[0]) if len(data) == 1 else data
            scores[vocab[chars]] = float(-place)
    return texts, scores


def _single(byte: int) -> bytes:
    """A byte as llama2.c's C strings can hold it: zero would end them."""
    return bytes([byte]) if byte else byte_piece(0).encode()


def _is_padding(text: bytes) -> bool:
    return text.startswith(b"[PAD")


def _config(start: str, end: str, pad: str) -> dict[str, Any]:
    return {"bos_token": start, "eos_token": end, "pad_token": pad, "clean_up_tokenization_spaces": False}
