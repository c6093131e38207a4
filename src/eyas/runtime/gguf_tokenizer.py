"""A tokenizer in GGUF, both ways: byte-level (`gpt2`) or SentencePiece (`llama`), with the chat template beside it."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from gguf import GGUFWriter, TokenType

from eyas.errors import EyasError
from eyas.text.bpe import GPT2_PATTERN, QWEN2_PATTERN, byte_level_spec, read_model, split_pattern
from eyas.text.pieces import LONGEST_PIECE, build_pieces_spec, byte_piece, scores_of
from eyas.text.tokenizer import Tokenizer

LLAMA3_PATTERN = QWEN2_PATTERN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
# Splitters by the name llama.cpp has for them; first its own spelling, which is the one that a tokenizer gets back.
_PATTERNS = {
    "qwen2": (QWEN2_PATTERN,),
    "llama-bpe": (LLAMA3_PATTERN,),
    "gpt-2": (GPT2_PATTERN,),
}
_ANY_CASE = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_FOLDED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"  # how Qwen and Llama write the same in their own files
_ALIASES = {name: name for name in _PATTERNS} | {"llama3": "llama-bpe", "llama-v3": "llama-bpe"}
_TAGS = re.compile(r"\{%(-?)\s*(end)?generation\s*(-?)%\}")


def plain_template(template: str) -> str:
    """A chat template without the marks of what the assistant writes, which training needs; it renders the same."""
    return _TAGS.sub(lambda tag: f"{{%{tag[1]} {'endif' if tag[2] else 'if true'} {tag[3]}%}}", template)


def add_tokenizer(writer: GGUFWriter, tokenizer: Tokenizer, vocab_size: int, *, start_first: bool) -> None:
    """Write `tokenizer` for a model of `vocab_size` ids; `start_first`: readers begin every text with the start id.

    Raises EyasError for a splitter that llama.cpp has no name for.
    """
    vocab, merges = read_model(tokenizer.spec)
    added = {str(token["content"]): token for token in tokenizer.spec.get("added_tokens") or []}
    names = {i: name for name, i in vocab.items()} | {int(token["id"]): name for name, token in added.items()}
    tokens = [names.get(i, f"[PAD{i}]") for i in range(vocab_size)]
    types = [_type(i, names, added, tokenizer.pieces) for i in range(vocab_size)]
    writer.add_tokenizer_model("llama" if tokenizer.pieces else "gpt2")
    writer.add_tokenizer_pre("default" if tokenizer.pieces else _pre(tokenizer))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if tokenizer.pieces:
        scores = scores_of(tokenizer.spec)
        writer.add_token_scores([scores.get(token, 0.0) for token in tokens])
        writer.add_add_space_prefix(tokenizer.prefix_bytes > 0)
    else:
        writer.add_token_merges([f"{left} {right}" for left, right in merges])
    writer.add_bos_token_id(tokenizer.start)
    writer.add_eos_token_id(tokenizer.endoftext)
    if "<|im_end|>" in tokenizer.special:
        writer.add_eot_token_id(tokenizer.im_end)
    if "<unk>" in tokenizer.special:
        writer.add_unk_token_id(tokenizer.special["<unk>"])
    writer.add_pad_token_id(tokenizer.pad)
    writer.add_add_bos_token(start_first)
    if tokenizer.chat_template is not None:
        writer.add_chat_template(plain_template(tokenizer.chat_template))


def _type(i: int, names: Mapping[int, str], added: Mapping[str, Any], pieces: bool) -> int:
    """What llama.cpp is to take id `i` for: it hides control tokens in answers and shows user-defined ones."""
    name = names.get(i)
    if name is None:
        return TokenType.UNUSED
    if pieces and name == "<unk>":
        return TokenType.UNKNOWN
    if name in added:
        return TokenType.CONTROL if added[name].get("special") else TokenType.USER_DEFINED
    if pieces and len(name) == 6 and name in _BYTE_PIECES:
        return TokenType.BYTE
    return TokenType.NORMAL


_BYTE_PIECES = frozenset(byte_piece(byte) for byte in range(256))


def _pre(tokenizer: Tokenizer) -> str:
    pattern = (split_pattern(tokenizer.spec) or "").replace(_FOLDED, _ANY_CASE)
    for name, known in _PATTERNS.items():
        if pattern in known:
            return name
    raise EyasError("GGUF has no name for this tokenizer's splitter; eyas writes those of Qwen2, Llama 3 and GPT-2")


def read_tokenizer(metadata: Mapping[str, Any], vocab_size: int, where: str) -> Tokenizer:
    """The tokenizer of a GGUF file (`where` names it in errors) for a model of `vocab_size` ids. Raises EyasError."""
    kind = metadata.get("tokenizer.ggml.model")
    if kind not in ("gpt2", "llama"):
        raise EyasError(f"{where}: its tokenizer is of kind {str(kind)[:40]}; eyas reads gpt2 (byte-level) and llama")
    tokens = _strings(metadata, "tokenizer.ggml.tokens", where)
    if not 0 < len(tokens) <= vocab_size:
        raise EyasError(f"{where}: its tokenizer has {len(tokens)} tokens, the model {vocab_size}")
    types = metadata.get("tokenizer.ggml.token_type", np.ones(len(tokens)))
    if not isinstance(types, np.ndarray) or len(types) != len(tokens):
        raise EyasError(f"{where} is damaged: it does not tell each token's type")
    used = {i: token for i, token in enumerate(tokens) if types[i] != TokenType.UNUSED}
    vocab = {token: i for i, token in used.items()}
    if len(vocab) < len(used):
        twice = next(token for i, token in used.items() if vocab[token] != i)
        raise EyasError(f"{where}: its tokenizer holds {twice[:40]!r} twice")
    special = [TokenType.CONTROL, TokenType.USER_DEFINED, TokenType.UNKNOWN]
    added = {token: bool(types[i] != TokenType.USER_DEFINED) for i, token in used.items() if types[i] in special}
    config = {"clean_up_tokenization_spaces": False} | _named(metadata, used, added)
    if isinstance(template := metadata.get("tokenizer.chat_template"), str):
        config["chat_template"] = template
    if kind == "gpt2":
        spec = _byte_level(metadata, vocab, added, where)
    else:
        spec = _pieces(metadata, vocab, added, types, where)
    return Tokenizer(spec, config, where)


def _byte_level(
    metadata: Mapping[str, Any], vocab: dict[str, int], added: dict[str, bool], where: str
) -> dict[str, Any]:
    pre = _ALIASES.get(str(metadata.get("tokenizer.ggml.pre")))
    if pre is None:
        named = str(metadata.get("tokenizer.ggml.pre"))[:40]
        raise EyasError(f"{where}: its tokenizer splits text as {named}; eyas knows {', '.join(_PATTERNS)}")
    merges = []
    for merge in _strings(metadata, "tokenizer.ggml.merges", where):
        left, space, right = merge.partition(" ")
        if not (left and space and right):
            raise EyasError(f"{where} is damaged: {merge[:40]!r} is no merge of two tokens")
        merges.append((left, right))
    pattern = _PATTERNS[pre][0]
    return byte_level_spec(vocab, merges, added, pattern=pattern, ignore_merges=pre == "llama-bpe")


def _pieces(
    metadata: Mapping[str, Any], vocab: dict[str, int], added: dict[str, bool], types: Any, where: str
) -> dict[str, Any]:
    scores = metadata.get("tokenizer.ggml.scores")
    if not isinstance(scores, np.ndarray) or len(scores) != len(types) or not np.isfinite(scores).all():
        raise EyasError(f"{where} is damaged: it does not tell each token's score")
    if any(len(piece) > LONGEST_PIECE for piece in vocab):
        raise EyasError(f"{where}: its tokenizer has a piece of more than {LONGEST_PIECE} characters")
    plain = {piece: float(scores[i]) for piece, i in vocab.items() if types[i] == TokenType.NORMAL}
    space_first = bool(metadata.get("tokenizer.ggml.add_space_prefix", True))
    return build_pieces_spec(vocab, plain, list(added), space_first=space_first)


def _named(metadata: Mapping[str, Any], used: Mapping[int, str], added: Mapping[str, bool]) -> dict[str, str]:
    """The special tokens that a tokenizer config names, where the file has them; what fills up may be the end."""
    ids = {name: metadata.get(f"tokenizer.ggml.{key}_token_id") for name, key in _ROLES.items()}
    found = {name: used[i] for name, i in ids.items() if isinstance(i, int) and used.get(i) in added}
    if "eos_token" in found:
        found.setdefault("pad_token", found["eos_token"])
    return found


_ROLES = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}


def _strings(metadata: Mapping[str, Any], key: str, where: str) -> list[str]:
    value = metadata.get(key)
    if not isinstance(value, list):
        raise EyasError(f"{where} lacks {key}, so it cannot turn text into tokens")
    return value
