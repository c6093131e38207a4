"""SentencePiece tokenizers: other people's, read as they are."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from eyas.errors import EyasError
from eyas.text.pieces import LONGEST_PIECE, SPACE, build_pieces_spec, byte_piece, scores_of
from eyas.text.tokenizer import Tokenizer

LETTERS = "abcdelot é.\n"
LEARNED = ["▁a", "ab", "▁ab", "ta", "ble", "table", "▁table", "le", "bl", "aa", "lo", "é."]


def pieces_of(learned: list[str]) -> tuple[dict[str, int], dict[str, float]]:
    """Ids and scores: unknown, start and end, the bytes, the learned pieces by score, then the letters."""
    pieces = {"<unk>": 0, "<s>": 1, "</s>": 2} | {byte_piece(byte): 3 + byte for byte in range(256)}
    for piece in [*learned, SPACE, *(letter for letter in "abcdelot.é")]:
        pieces[piece] = len(pieces)
    return pieces, {piece: float(259 - i) for piece, i in pieces.items() if i >= 259}


PIECES, SCORES = pieces_of(LEARNED)
SPECIAL = ["<unk>", "<s>", "</s>"]
CONFIG = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>"}


@pytest.fixture(scope="module")
def tok() -> Tokenizer:
    return Tokenizer(build_pieces_spec(PIECES, SCORES, SPECIAL), CONFIG)


def by_definition(text: str) -> list[int]:
    """SentencePiece's own rule, spelled out: join the neighbours whose joint piece scores best, the leftmost first."""
    parts: list[str] = []
    for letter in f"{SPACE}{text}".replace(" ", SPACE) if text else "":
        parts += [letter] if letter in SCORES else [byte_piece(byte) for byte in letter.encode()]
    while True:
        joints = [(SCORES.get(a + b, -1e9), -i) for i, (a, b) in enumerate(pairwise(parts))]
        if not joints or max(joints)[0] == -1e9:
            return [PIECES[part] for part in parts]
        at = -max(joints)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]


@given(st.text(st.sampled_from(LETTERS), max_size=30))
def test_ids_are_those_of_the_rule_by_scores(tok: Tokenizer, text: str) -> None:
    assert tok.encode(text) == by_definition(text)


@given(st.text(max_size=20))
def test_any_text_comes_back_behind_one_space(tok: Tokenizer, text: str) -> None:
    text = text.encode("utf-8", "replace").decode().replace(SPACE, "")
    assert tok.decode(tok.encode(text)) == (f" {text}" if text else "")
    assert not tok.special_ids.intersection(tok.encode(f"<s>{text}</s><unk>"))
    assert tok.token_bytes[tok.encode(text)].sum() == (len(text.encode()) + 1 if text else 0)


def test_the_tokenizers_library_reads_the_same_ids_and_text(tok: Tokenizer) -> None:
    theirs = tokenizers.Tokenizer.from_str(json.dumps(tok.spec))
    for text in ("a table lot", "two  spaces", "a\nnew line", "猫 é", ""):
        ids = theirs.encode(text, add_special_tokens=False).ids
        assert ids == tok.encode(text)
        assert theirs.decode(ids) == text


def test_special_tokens_and_the_start_are_known(tok: Tokenizer, tmp_path: Path) -> None:
    assert (tok.start, tok.endoftext, tok.pad, tok.prefix_bytes, tok.pieces) == (1, 2, 0, 1, True)
    assert tok.chat_template is None
    tok.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.fingerprint == tok.fingerprint and again.encode("a table") == tok.encode("a table")
    assert (again.start, again.endoftext) == (1, 2)
    assert not (tmp_path / "chat_template.jinja").exists()


def test_a_template_of_its_own_stays_with_a_foreign_tokenizer(tok: Tokenizer, tmp_path: Path) -> None:
    Tokenizer(tok.spec, CONFIG | {"chat_template": "{{ messages }}"}).save(tmp_path)
    assert Tokenizer.load(tmp_path).chat_template == (tmp_path / "chat_template.jinja").read_text() == "{{ messages }}"


def test_scores_follow_from_merges_and_merges_from_scores(tok: Tokenizer) -> None:
    again = build_pieces_spec(PIECES, scores_of(tok.spec), SPECIAL)
    assert again["model"]["merges"] == tok.spec["model"]["merges"]


def test_no_space_is_put_first_where_the_tokenizer_does_not() -> None:
    tok = Tokenizer(build_pieces_spec(PIECES, SCORES, SPECIAL, space_first=False), CONFIG)
    assert tok.decode(tok.encode("table")) == "table" and tok.prefix_bytes == 0


@pytest.mark.parametrize(("scheme", "first"), [("always", 1), ("first", 1), ("never", 0)])
def test_the_newer_spelling_is_read_too(tok: Tokenizer, scheme: str, first: int) -> None:
    metaspace = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": False}
    newer = Tokenizer({**tok.spec, "normalizer": None, "pre_tokenizer": metaspace}, CONFIG)
    assert newer.prefix_bytes == first
    if first:
        assert newer.encode("a table lot") == tok.encode("a table lot")


def changed(tok: Tokenizer, part: str, **values: Any) -> dict[str, Any]:
    return {**tok.spec, part: {**tok.spec[part], **values}}


def test_other_kinds_are_refused_with_one_sentence(tok: Tokenizer) -> None:
    vocab = tok.spec["model"]["vocab"]
    prepend = {"type": "Prepend", "prepend": "_"}
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    added = {"id": 500, "content": " \t", "special": True}
    for spec, why in [
        (changed(tok, "model", dropout=0.1), "sets `dropout`"),
        (changed(tok, "model", vocab={p: i for p, i in vocab.items() if p != "<0x00>"}), "no token for 1 of the bytes"),
        (changed(tok, "model", vocab=vocab | {"x": 5}), "id 5 stands for two tokens"),
        (changed(tok, "model", vocab=vocab | {"x": 1 << 40}), "out of any sensible range"),
        (changed(tok, "model", merges=[["a", "q"]]), "not in the vocabulary"),
        (changed(tok, "model", merges=[["a"]]), "it is damaged"),
        (changed(tok, "model", vocab=vocab | {"<": 600, "s>": 601}, merges=[["<", "s>"]]), "special token '<s>'"),
        ({**tok.spec, "added_tokens": [added]}, "white space only"),
        ({**tok.spec, "added_tokens": [{"id": 7, "content": "<s>"}]}, "two ids"),
        ({**tok.spec, "normalizer": {"type": "NFKC"}}, "its normaliser does NFKC"),
        ({**tok.spec, "normalizer": {"type": "Sequence", "normalizers": [prepend, replace]}}, "spaces as ▁"),
        ({**tok.spec, "normalizer": None}, "of another kind"),
    ]:
        with pytest.raises(EyasError, match=why) as caught:
            Tokenizer(spec, CONFIG, "x.json")
        assert str(caught.value).startswith("x.json") and "\n" not in str(caught.value)
    with pytest.raises(EyasError, match="a piece of 1025 characters"):
        build_pieces_spec({}, {"x" * (LONGEST_PIECE + 1): 0.0}, [])
