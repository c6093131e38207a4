"""Any bytes as ids, and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.compress.symbols import Symbols
from eyas.text.bpe import build_spec
from eyas.text.pieces import build_pieces_spec, byte_piece
from eyas.text.tokenizer import Tokenizer
from tests.compress.conftest import TEXT

parts = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"<|endoftext|>", b"<|im_start|>user\n", b"<|endof", b"\r\n", b"  ", "é\ne\u0301\n".encode()]),
    st.just(TEXT.encode()),
)
data = st.lists(parts, max_size=8).map(b"".join)


def sentencepiece() -> Tokenizer:
    pieces = ["<unk>", "<s>", "</s>", *map(byte_piece, range(256)), "▁", "a", "b", "▁a", "ab"]
    scores = {piece: -float(i) for i, piece in enumerate(pieces) if i >= 259}
    spec = build_pieces_spec({piece: i for i, piece in enumerate(pieces)}, scores, pieces[:3])
    return Tokenizer(spec, {"bos_token": "<s>", "eos_token": "</s>"})


def composing() -> Tokenizer:
    """A tokenizer that changes text: it composes accents."""
    spec: dict[str, Any] = build_spec([])
    return Tokenizer({**spec, "normalizer": {"type": "NFC"}})


TOKENIZERS = {"ours": None, "sentencepiece": sentencepiece(), "nfc": composing()}


@pytest.mark.parametrize("which", TOKENIZERS)
@given(content=data)
def test_any_bytes_come_back_from_any_tokenizer(tokenizer: Tokenizer, which: str, content: bytes) -> None:
    symbols = Symbols(TOKENIZERS[which] or tokenizer)
    ids = symbols.ids(content)
    assert ids is not None and symbols.data(ids) == content
    assert not set(ids) & set(symbols.excluded(1000).tolist())


def test_text_takes_the_tokenizers_own_ids(tokenizer: Tokenizer) -> None:
    assert Symbols(tokenizer).ids(TEXT.encode()) == tokenizer.encode(TEXT)
    odd = Symbols(tokenizer).ids(TEXT.encode() + b"\xff\xfe" + TEXT.encode())
    assert odd is not None and len(odd) == 2 * len(tokenizer.encode(TEXT)) + 2


def test_sentencepiece_gives_text_after_the_first_space_whole() -> None:
    assert Symbols(sentencepiece()).ids(b"b a") == [3 + ord("b"), sentencepiece().encode("a")[0]]


def test_the_name_of_a_special_token_is_that_token(tokenizer: Tokenizer) -> None:
    assert Symbols(tokenizer).ids(b"<|endoftext|>") == [tokenizer.endoftext]


def test_only_lines_that_the_tokenizer_changes_go_byte_by_byte() -> None:
    found = Symbols(composing()).ids("é\ne\u0301\n".encode())
    assert found is not None and composing().decode_bytes(found) == "é\ne\u0301\n".encode()


def test_a_byte_without_a_token_is_told(tokenizer: Tokenizer) -> None:
    symbols = Symbols(tokenizer)
    del symbols._of_byte[0xFF]
    assert symbols.ids(b"a\xffb") is None


def test_ids_that_pad_the_models_tables_are_excluded(tokenizer: Tokenizer) -> None:
    size = tokenizer.vocab_size
    assert Symbols(tokenizer).excluded(size + 3).tolist() == [size, size + 1, size + 2]
    assert Symbols(tokenizer).excluded(size).tolist() == []
