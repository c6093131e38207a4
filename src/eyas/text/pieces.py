"""SentencePiece BPE as `tokenizer.json` spells it (Llama 2 kind): pieces of text, `▁` for a space, bytes as a fallback.

Other people's models come with it; eyas trains byte-level ones. SentencePiece merges the two neighbours whose joint
piece has the best score; `tokenizer.json` has a list of merges instead. Either follows from the other.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from eyas.errors import EyasError
from eyas.text.bpe import Layout, read_added, read_model

SPACE = "▁"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
LONGEST_PIECE = 1024  # characters; SentencePiece's own limit is 16, and a piece is cut everywhere to find its merges


def byte_piece(byte: int) -> str:
    """The piece that stands for one byte: `<0x0A>`."""
    return f"<0x{byte:02X}>"


def is_pieces(spec: Any) -> bool:
    """Whether a parsed `tokenizer.json` is a BPE that falls back to bytes, as SentencePiece's are."""
    model = spec.get("model") if isinstance(spec, dict) else None
    return isinstance(model, dict) and model.get("type", "BPE") == "BPE" and bool(model.get("byte_fallback"))


def build_pieces_spec(
    pieces: Mapping[str, int], scores: Mapping[str, float], special: Sequence[str], *, space_first: bool = True
) -> dict[str, Any]:
    """The `tokenizer.json` of a SentencePiece BPE whose `pieces` have `scores`; the best score merges first.

    `pieces` maps every piece (`▁` for a space), byte and special token to its id. A piece without a score is never
    merged. `space_first` puts a space before every text. Raises EyasError for a piece that is too long to be one.
    """
    if long := [piece for piece in scores if len(piece) > LONGEST_PIECE]:
        raise EyasError(f"the tokenizer has a piece of {len(long[0])} characters; at most {LONGEST_PIECE} are read")
    ranked: list[tuple[float, int, int, tuple[str, str]]] = []
    for piece, score in scores.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in scores and right in scores:
                ranked.append((-score, pieces[piece], cut, (left, right)))
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    back: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if space_first:
        back.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": pieces[token],
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token in special
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [*([{"type": "Prepend", "prepend": SPACE}] if space_first else []), replace],
        },
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": back},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": dict(pieces),
            "merges": [list(pair) for *_, pair in sorted(ranked)],
        },
    }


def scores_of(spec: Mapping[str, Any]) -> dict[str, float]:
    """Scores that merge as the spec's list does: 0, -1, -2 ... in the order of the merges, then the other pieces.

    Bytes and special tokens have none. `build_pieces_spec` on these scores gives the same merges in the same order.
    """
    vocab, merges = read_model(spec)
    special = {str(token["content"]) for token in spec.get("added_tokens") or []}
    order = dict.fromkeys(left + right for left, right in merges)
    rest = sorted((i, piece) for piece, i in vocab.items() if piece not in order)
    order |= dict.fromkeys(piece for _, piece in rest if piece not in special and not _BYTE.fullmatch(piece))
    return {piece: float(-place) for place, piece in enumerate(order)}


def read_pieces(spec: Mapping[str, Any], name: str) -> Layout:
    """Accept a SentencePiece BPE `tokenizer.json` (`name` stands in errors) or raise EyasError saying why not."""

    def refuse(why: str) -> EyasError:
        return EyasError(f"{name}: {why}; of SentencePiece tokenizers eyas reads Llama's kind only")

    for option in ("dropout", "continuing_subword_prefix", "end_of_word_suffix"):
        if spec["model"].get(option):
            raise refuse(f"the model sets `{option}`")
    try:
        vocab, merges = read_model(spec)
        special, blanks = read_added(spec)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise refuse(f"it is damaged ({type(error).__name__}: {error})") from error
    if blanks:
        raise refuse(f"its added token {blanks[0]['content']!r} is white space only")
    if missing := [byte for byte in range(256) if byte_piece(byte) not in vocab]:
        raise refuse(f"it has no token for {len(missing)} of the bytes that text is made of")
    space_first = _space_first(spec, refuse)
    by_id: dict[int, bytes] = {}
    for piece, i in [*vocab.items(), *((token, i) for token, i in special.items() if token not in vocab)]:
        if i in by_id or not 0 <= i < 1 << 24:
            raise refuse(f"id {i} stands for two tokens or is out of any sensible range")
        by_id[i] = piece.encode("utf-8", "replace") if piece in special else _bytes_of(piece)
    if moved := [token for token, i in special.items() if vocab.get(token, i) != i]:
        raise refuse(f"its special token {moved[0]!r} has two ids")
    for left, right in merges:
        if left not in vocab or right not in vocab or left + right not in vocab:
            raise refuse(f"its merge {left!r} + {right!r} names tokens that are not in the vocabulary")
        if left + right in special:
            raise refuse(f"plain text could yield its special token {left + right!r}")
    # Under these names no text can reach the specials; their ids stay taken.
    plain_vocab = {piece: i for piece, i in vocab.items() if piece not in special}
    plain_vocab |= {f"\x00{token}": i for token, i in special.items()}
    plain = {**spec, "added_tokens": [], "model": {**spec["model"], "vocab": plain_vocab, "unk_token": None}}
    plain["truncation"] = plain["padding"] = plain["post_processor"] = None
    return Layout(
        special=special,
        plain_spec=plain,
        token_bytes=[by_id.get(i, b"") for i in range(max(by_id) + 1)],
        ranks={},
        merged=[],
        pattern=None,
        nfc=False,
        space_first=space_first,
        pieces=True,
    )


def _bytes_of(piece: str) -> bytes:
    """The text a piece stands for."""
    match = _BYTE.fullmatch(piece)
    return bytes([int(match[1], 16)]) if match else piece.replace(SPACE, " ").encode("utf-8", "replace")


def _space_first(spec: Mapping[str, Any], refuse: Any) -> bool:
    """Whether a space is put before every text; refuses normalisers that do more than turn spaces into `▁`."""
    normalizer, pre = spec.get("normalizer"), spec.get("pre_tokenizer")
    if isinstance(pre, dict) and pre.get("type") == "Metaspace" and normalizer is None:
        if pre.get("replacement", SPACE) != SPACE:
            raise refuse("it does not write spaces as ▁")
        return bool(pre.get("prepend_scheme", "always" if pre.get("add_prefix_space", True) else "never") != "never")
    steps = [normalizer] if isinstance(normalizer, dict) and normalizer.get("type") != "Sequence" else None
    steps = normalizer.get("normalizers") if steps is None and isinstance(normalizer, dict) else steps
    if pre is not None or not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise refuse("its normaliser and pre-tokenizer are of another kind")
    kinds = [step.get("type") for step in steps]
    if kinds not in (["Replace"], ["Prepend", "Replace"]):
        raise refuse(f"its normaliser does {', '.join(map(str, kinds))}")
    pattern = steps[-1].get("pattern")
    spaces = isinstance(pattern, dict) and pattern.get("String") == " " and steps[-1].get("content") == SPACE
    if not spaces or (len(steps) == 2 and steps[0].get("prepend") != SPACE):
        raise refuse("it does not write spaces as ▁")
    return len(steps) == 2
