"""Byte-level BPE as `tokenizer.json` spells it: the byte alphabet, building the file, and judging a foreign one."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eyas.errors import EyasError

# The qwen2 pre-tokenizer in llama.cpp's spelling. Qwen's own file says (?i:'s|'t|...), where case folding would also
# take U+017F (long s); naming both cases leaves nothing for two regex engines to disagree on.
QWEN2_PATTERN = (
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# What {"type": "ByteLevel", "use_regex": true} means (GPT-2).
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_TAIL = r"|\s+(?!\S)|\s+"


def grouped(pattern: str) -> str:
    """The same regex, spelled so that fancy-regex (rustbpe, tiktoken) runs it 1.3 times as fast.

    Its look-ahead would make every alternative a branch of the backtracking engine; those before it, taken as one
    group, go to the linear one.
    """
    return f"(?:{pattern.removesuffix(_TAIL)}){_TAIL}" if pattern.endswith(_TAIL) else pattern


SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|pad|>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<|image|>",
    "<|audio|>",
    "<|page|>",
    "<|reserved_0|>",
    "<|reserved_1|>",
    "<|reserved_2|>",
)
# Clients that parse an answer decode with skip_special_tokens=True and still need to see these, as with Qwen.
_VISIBLE = {token for token in SPECIAL_TOKENS if not token.startswith("<|")}


def _alphabet() -> dict[int, str]:
    """GPT-2's printable stand-in for each byte: printable Latin-1 as itself, the other 68 bytes from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


BYTE_TO_CHAR = _alphabet()
_NEVER = {0xC0, 0xC1, *range(0xF5, 0x100)}  # bytes that no UTF-8 contains; GPT-NeoX has no tokens for them
CHAR_TO_BYTE = {char: byte for byte, char in BYTE_TO_CHAR.items()}


def to_chars(data: bytes) -> str:
    """Bytes in the alphabet of `tokenizer.json`."""
    return "".join(BYTE_TO_CHAR[byte] for byte in data)


def to_bytes(chars: str) -> bytes | None:
    """Inverse of `to_chars`; None when a character is outside the alphabet."""
    try:
        return bytes(CHAR_TO_BYTE[char] for char in chars)
    except KeyError:
        return None


def pairs_of(tokens: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """The merge that made each token of more than one byte, `tokens` being in the order they were learned.

    A token learned at rank r falls into exactly two parts when its own bytes are merged with the ranks below r: no
    earlier merge crossed its edges where it was learned, so none is missing or added when it stands alone.
    """
    rank = {token: i for i, token in enumerate(tokens)}
    pairs = []
    for limit, token in enumerate(tokens):
        if len(token) == 1:
            continue
        parts = [token[i : i + 1] for i in range(len(token))]
        while len(parts) > 2:
            found = min((rank.get(parts[i] + parts[i + 1], limit), i) for i in range(len(parts) - 1))
            if found[0] >= limit:
                raise AssertionError(f"token {token!r} is not the merge of two earlier tokens")
            at = found[1]
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        pairs.append((parts[0], parts[1]))
    return pairs


def build_spec(learned: Sequence[bytes]) -> dict[str, Any]:
    """The `tokenizer.json` of eyas: 16 specials, 256 bytes, then the `learned` tokens in order."""
    tokens = [bytes([byte]) for byte in range(256)] + list(learned)
    vocab = {token: i for i, token in enumerate([*SPECIAL_TOKENS, *map(to_chars, tokens)])}
    merges = [(to_chars(left), to_chars(right)) for left, right in pairs_of(tokens)]
    return byte_level_spec(vocab, merges, {token: token not in _VISIBLE for token in SPECIAL_TOKENS})


def byte_level_spec(
    vocab: Mapping[str, int],
    merges: Iterable[tuple[str, str]],
    added: Mapping[str, bool],
    *,
    pattern: str = QWEN2_PATTERN,
    ignore_merges: bool = False,
) -> dict[str, Any]:
    """A byte-level BPE `tokenizer.json`; `vocab` holds the `added` tokens too, which map to whether they are hidden
    when special tokens are skipped. `ignore_merges`: a word that is a token is that token, whatever the merges say.
    """
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": vocab[token],
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": special,
            }
            for token, special in added.items()
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                byte_level,
            ],
        },
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": ignore_merges,
            "vocab": dict(vocab),
            "merges": [list(pair) for pair in merges],
        },
    }


@dataclass(frozen=True)
class Layout:
    """What eyas needs to know of a `tokenizer.json` it has accepted."""

    special: dict[str, int]  # every added token but those of white space only: ids that data must never produce
    plain_spec: dict[str, Any]  # the same tokenizer without them
    token_bytes: list[bytes]  # by id: a text token's bytes, a special's name, b"" for a hole
    ranks: dict[bytes, int]  # single bytes and results of merges -> id
    merged: list[bytes]  # results of merges, in order
    pattern: str | None  # the one pre-tokenizer regex, None when there are several steps
    nfc: bool
    space_first: bool = False  # a space is put before every text (SentencePiece)
    pieces: bool = False  # SentencePiece, not byte-level


def read_model(spec: Mapping[str, Any]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The vocabulary and the merges of a BPE spec; raises what Python raises when they are damaged."""
    vocab = {str(token): int(i) for token, i in spec["model"]["vocab"].items()}
    return vocab, [_merge(merge) for merge in spec["model"]["merges"]]


def read_added(spec: Mapping[str, Any]) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """The added tokens: name -> id, and apart from them those of white space only. Raises as `read_model` does."""
    added = spec.get("added_tokens") or []
    special = {str(token["content"]): int(token["id"]) for token in added if token["content"].strip()}
    return special, [token for token in added if not token["content"].strip()]


def split_pattern(spec: Mapping[str, Any]) -> str | None:
    """The one regex that a byte-level `tokenizer.json` splits text with; None for a chain of several."""
    return _pattern(spec.get("pre_tokenizer"), lambda why: EyasError(f"the tokenizer cannot be used: {why}"))


def read_layout(spec: Any, name: str) -> Layout:
    """Accept a byte-level BPE `tokenizer.json` (`name` stands in errors) or raise EyasError saying why not."""

    def refuse(why: str) -> EyasError:
        return EyasError(f"{name}: {why}; eyas reads byte-level BPE tokenizers (GPT-2, Qwen and Llama-3 kind) only")

    model = spec.get("model") if isinstance(spec, dict) else None
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
        raise refuse("no BPE model in it")
    if model.get("type", "BPE") != "BPE" or not isinstance(model.get("merges"), list):
        raise refuse(f"the model is {model.get('type')}, not BPE")
    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback"):
        if model.get(option):
            raise refuse(f"the model sets `{option}`")
    normalizer = spec.get("normalizer")
    if normalizer is not None and (not isinstance(normalizer, dict) or normalizer.get("type") != "NFC"):
        raise refuse("it has a normaliser other than NFC")
    decoder = spec.get("decoder")
    if not isinstance(decoder, dict) or decoder.get("type") != "ByteLevel":
        raise refuse("its decoder is not ByteLevel")
    pattern = _pattern(spec.get("pre_tokenizer"), refuse)

    try:
        vocab, merges = read_model(spec)
        special, blanks = read_added(spec)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise refuse(f"it is damaged ({type(error).__name__}: {error})") from error
    return _assemble(spec, special, blanks, vocab, merges, pattern, normalizer is not None, refuse)


def _assemble(
    spec: Mapping[str, Any],
    special: dict[str, int],
    blanks: list[dict[str, Any]],
    vocab: Mapping[str, int],
    merges: Iterable[tuple[str, str]],
    pattern: str | None,
    nfc: bool,
    refuse: Any,
) -> Layout:
    by_id: dict[int, bytes] = {}
    for token, i in vocab.items():
        data = to_bytes(token)
        if token in special:
            continue
        if data is None:
            raise refuse(f"its token {token!r} is not spelled in the byte alphabet")
        if i < 0 or i in by_id:
            raise refuse(f"id {i} stands for two tokens or is negative")
        by_id[i] = data
    ranks = {bytes([byte]): vocab[char] for byte, char in BYTE_TO_CHAR.items() if char in vocab}
    if missing := [byte for byte in range(256) if byte not in _NEVER and bytes([byte]) not in ranks]:
        raise refuse(f"it has no token for {len(missing)} of the bytes that text is made of")
    merged = []
    for left, right in merges:
        result = left + right
        if left not in vocab or right not in vocab or result not in vocab:
            raise refuse(f"its merge {left!r} + {right!r} names tokens that are not in the vocabulary")
        if result in special:
            raise refuse(f"plain text could yield its special token {result!r}")
        data = to_bytes(result)
        if data is None:
            raise refuse(f"its token {result!r} is not spelled in the byte alphabet")
        merged.append(data)
        ranks[data] = vocab[result]
    if clash := [token for token, i in special.items() if i in by_id or i < 0]:
        raise refuse(f"the id of its special token {clash[0]!r} is also a text token's")
    by_id.update({i: token.encode("utf-8", "replace") for token, i in special.items()})
    by_id.update({int(token["id"]): token["content"].encode() for token in blanks})
    if not by_id or max(by_id) >= 1 << 24:
        raise refuse("its ids are out of any sensible range")
    # Specials keep their ids under names outside the byte alphabet, which no text can reach: not even with
    # ignore_merges, where a whole word is looked up in the vocabulary at once.
    plain_vocab = {token: i for token, i in vocab.items() if token not in special}
    plain_vocab |= {f"\x00{token}": i for token, i in special.items()}
    plain = {**spec, "added_tokens": blanks, "model": {**spec["model"], "vocab": plain_vocab}}
    plain["truncation"] = plain["padding"] = plain["post_processor"] = None
    return Layout(
        special=special,
        plain_spec=plain,
        token_bytes=[by_id.get(i, b"") for i in range(max(by_id) + 1)],
        ranks=ranks,
        merged=merged,
        pattern=None if blanks or spec["model"].get("ignore_merges") else pattern,
        nfc=nfc,
    )


def _merge(merge: Any) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return str(left), str(right)


def _pattern(pre: Any, refuse: Any) -> str | None:
    """The single split regex of a pre-tokenizer, None for a chain of several; refuses what is not byte-level."""
    if not isinstance(pre, dict):
        raise refuse("it has no pre-tokenizer")
    steps = pre.get("pretokenizers") if pre.get("type") == "Sequence" else [pre]
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise refuse("its pre-tokenizer is damaged")
    patterns: list[str | None] = []
    for step in steps:
        kind = step.get("type")
        if kind == "ByteLevel":
            if step.get("add_prefix_space", True):
                raise refuse("it puts a space before every text (add_prefix_space)")
            if step.get("use_regex", True):
                patterns.append(GPT2_PATTERN)
        elif kind == "Split":
            where = step.get("pattern")
            regex = where.get("Regex") if isinstance(where, dict) else None
            whole = step.get("behavior") == "Isolated" and not step.get("invert")
            patterns.append(regex if whole else None)
        elif kind == "Digits":
            patterns.append(None)
        else:
            raise refuse(f"its pre-tokenizer has a step {kind!r}")
    if not any(step.get("type") == "ByteLevel" for step in steps):
        raise refuse("its pre-tokenizer is not byte-level")
    return patterns[0] if len(patterns) == 1 else None


def dump_spec(spec: Mapping[str, Any]) -> str:
    """`tokenizer.json` text, one token and merge a line as the `tokenizers` library writes it."""
    return json.dumps(spec, ensure_ascii=False, indent=2)
