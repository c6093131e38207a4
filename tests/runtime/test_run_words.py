"""The words of run.c: the same ids as the libraries that tokenizers come from, and damaged files refused."""

import ctypes
import json
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyas.native import Uncompiled, compiled
from eyas.runtime.library import SOURCE
from eyas.text.bpe import GPT2_PATTERN, QWEN2_PATTERN, build_spec
from eyas.text.tokenizer import Tokenizer, train_tokenizer

gguf = pytest.importorskip("gguf")

LLAMA3_PATTERN = QWEN2_PATTERN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
TEXTS = [
    "",
    "The cat's 'TIS we'LL they're I'm 'ſ 'S x'd ''s",
    "1234567 12 1٣४ ²½Ⅷ 3.14159e-10",
    "  two  spaces\n\n \t\n  indented\r\n\r\n   \u00a0\u3000x\u2028\u0085y   ",
    "naïve Ünïcödé — «Привет», 日本語のテキスト。 مرحبا بالعالم! नमस्ते ภาษาไทย 한국어",
    "🙂🙃 👩‍👩‍👧‍👦 e\u0301 \ufeff\u200b\ufffd \U0010ffff \x00\x1b[0m",
    "!!!\n\n??? ...\r\n(a)[b]{c} a_b --flag=1 http://x.y/z?q=1&r=2\n",
    " '\n' 's\u3000's \n's",
]
CORPUS = [
    *TEXTS,
    "It's 1999. The cat sat on the mat; they'll say so. Das ist naïve, 日本語です。 Привет, мир! \n\n",
] * 4

Library = ctypes.CDLL


@pytest.fixture(scope="module")
def library() -> Library:
    try:
        return ctypes.CDLL(str(compiled(SOURCE)))
    except Uncompiled as error:
        pytest.skip(str(error))


class Words:
    """A tokenizer of run.c."""

    def __init__(self, library: Library, file: Path) -> None:
        self.library = library
        library.eyas_failure.restype = ctypes.c_char_p
        library.eyas_tokenizer.restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p(library.eyas_tokenizer(str(file).encode()))
        if not self.handle:
            raise ValueError(library.eyas_failure().decode())

    def __del__(self) -> None:
        self.library.eyas_tokenizer_free(self.handle)

    def encode(self, text: str | bytes, *, specials: bool = False) -> list[int]:
        data = text.encode() if isinstance(text, str) else text
        ids = (ctypes.c_int32 * (3 * len(data) + 3))()
        size = ctypes.c_size_t(len(data))
        count = self.library.eyas_encode(self.handle, data, size, int(specials), ids, len(ids))
        assert 0 <= count <= len(ids)
        return ids[:count]

    def piece(self, i: int) -> bytes:
        size = self.library.eyas_piece(self.handle, i, None, 0)
        out = ctypes.create_string_buffer(size + 1)
        assert self.library.eyas_piece(self.handle, i, out, size) == size
        return out.raw[:size]


Open = Callable[..., Words]


@pytest.fixture
def open_words(library: Library, tmp_path: Path) -> Open:
    """Writes a GGUF of the given metadata and opens it."""

    def write(**facts: Any) -> Words:
        return Words(library, write_gguf(tmp_path / "words.gguf", **facts))

    return write


def write_gguf(
    file: Path,
    *,
    model: str = "gpt2",
    pre: str | None = "qwen2",
    tokens: Sequence[str],
    types: Sequence[int],
    merges: Sequence[str] | None = None,
    scores: Sequence[float] | None = None,
    **others: Any,
) -> Path:
    """A GGUF with a tokenizer and no tensors; `others` are facts by the name of the writer's method."""
    writer = gguf.GGUFWriter(str(file), "qwen3")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    if merges is not None:
        writer.add_token_merges(merges)
    if scores is not None:
        writer.add_token_scores(scores)
    for name, value in others.items():
        getattr(writer, f"add_{name}")(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return train_tokenizer(CORPUS, 420)


def facts_of(tokenizer: Tokenizer) -> dict[str, Any]:
    """A byte-level tokenizer as GGUF facts."""
    added = {token["content"]: token["special"] for token in tokenizer.spec["added_tokens"]}
    tokens = sorted(tokenizer.spec["model"]["vocab"], key=tokenizer.spec["model"]["vocab"].__getitem__)
    kinds = {None: gguf.TokenType.NORMAL, True: gguf.TokenType.CONTROL, False: gguf.TokenType.USER_DEFINED}
    merges = [" ".join(pair) for pair in tokenizer.spec["model"]["merges"]]
    return {"tokens": tokens, "types": [kinds[added.get(token)] for token in tokens], "merges": merges}


def reference(tokenizer: Tokenizer, pattern: str, *, whole_words: bool = False) -> tokenizers.Tokenizer:
    """The same vocabulary in the `tokenizers` library with another splitter, special tokens being plain text."""
    spec = deepcopy(tokenizer.spec)
    spec["added_tokens"] = []
    spec["pre_tokenizer"]["pretokenizers"][0]["pattern"] = {"Regex": pattern}
    spec["model"]["ignore_merges"] = whole_words
    return tokenizers.Tokenizer.from_str(json.dumps(spec))


# -- byte-level BPE


RULES = [("qwen2", QWEN2_PATTERN), ("llama-bpe", LLAMA3_PATTERN), ("gpt-2", GPT2_PATTERN)]


@pytest.mark.parametrize(("pre", "pattern"), RULES)
def test_ids_equal_those_of_the_tokenizers_library(
    open_words: Open, trained: Tokenizer, pre: str, pattern: str
) -> None:
    words = open_words(pre=pre, **facts_of(trained))
    theirs = reference(trained, pattern, whole_words=pre == "llama-bpe")
    for text in [*TEXTS, "\n".join(TEXTS), "".join(TEXTS)]:
        assert words.encode(text) == theirs.encode(text, add_special_tokens=False).ids


# Letters, digits and blanks that the splitters treat apart, and any other character there is.
PEPPER = st.text(st.sampled_from("aZ'sſtTrRlL é日1²٣ \t\n\r\u00a0\u3000!.-_🙂"), max_size=30)


@pytest.mark.parametrize(("pre", "pattern"), RULES)
def test_ids_equal_on_random_text(library: Library, tmp_path: Path, trained: Tokenizer, pre: str, pattern: str) -> None:
    words = Words(library, write_gguf(tmp_path / "words.gguf", pre=pre, **facts_of(trained)))
    theirs = reference(trained, pattern, whole_words=pre == "llama-bpe")

    @settings(max_examples=1200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(st.one_of(PEPPER, st.text(st.characters(exclude_categories=["Cs"]), max_size=20))).map("".join))
    def equal(text: str) -> None:
        assert words.encode(text) == theirs.encode(text, add_special_tokens=False).ids

    equal()


def test_every_character_is_classed_as_the_regex_engine_does(open_words: Open) -> None:
    # With a merge of each of these neighbours and each character's first or last byte, every cut shows in the ids.
    first, last = [*range(0x80), *range(0xC2, 0xF5)], range(0xC0)
    learned = [bytes([ord(one), byte]) for one in "a!" for byte in first]
    learned += [bytes([byte, ord(one)]) for one in "b\n" for byte in last]
    tokenizer = Tokenizer(build_spec(list(dict.fromkeys(learned))))
    words, theirs = open_words(**facts_of(tokenizer)), reference(tokenizer, QWEN2_PATTERN)
    # beyond the last letters there are only a few marks
    characters = [c for c in (*range(0x33480), *range(0x33480, 0x110000, 61)) if not 0xD800 <= c < 0xE000]
    cells = [f"a{chr(c)}b!{chr(c)}\n" for c in characters]
    for start in range(0, len(cells), 4096):
        text = "".join(cells[start : start + 4096])
        assert words.encode(text) == theirs.encode(text, add_special_tokens=False).ids, f"from {characters[start]:#x}"


def test_a_word_of_a_hundred_thousand_characters_is_merged(open_words: Open, trained: Tokenizer) -> None:
    words = open_words(**facts_of(trained))
    theirs = reference(trained, QWEN2_PATTERN)
    letters = random.Random(1).choices("thecatsonm", k=100_000)
    for text in ("".join(letters), "the" * 33_333, " " * 100_000 + "x"):
        assert words.encode(text) == theirs.encode(text, add_special_tokens=False).ids


def test_invalid_utf8_is_read_as_replacement_characters(open_words: Open, trained: Tokenizer) -> None:
    words = open_words(**facts_of(trained))
    damaged = [
        b"\xff",
        b"a\xe2\x82",
        b"\xe2\x82a",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
        b"\xf0\x9f\x98x",
        b"\x80",
    ]
    soup = random.Random(2)
    damaged += [bytes(soup.choices(b"a\x80\xbf\xc2\xe0\xe2\x9f\xa0\xed\xf0\xf4\x8f\x90\xff", k=12)) for _ in range(500)]
    for data in damaged:
        assert words.encode(data) == words.encode(data.decode("utf-8", "replace"))


def test_pieces_are_the_bytes_of_the_tokens(open_words: Open, trained: Tokenizer) -> None:
    words = open_words(**facts_of(trained))
    assert [words.piece(i) for i in range(trained.vocab_size)] == [
        trained.decode_bytes([i]) for i in range(trained.vocab_size)
    ]
    assert words.library.eyas_piece(words.handle, -1, None, 0) == -1
    assert words.library.eyas_piece(words.handle, trained.vocab_size, None, 0) == -1


def test_a_llama_word_in_the_vocabulary_is_taken_whole(open_words: Open, trained: Tokenizer) -> None:
    facts = facts_of(trained)
    facts["tokens"] = [*facts["tokens"], "Ġzyx"]  # no merge makes it
    facts["types"] = [*facts["types"], gguf.TokenType.NORMAL]
    assert open_words(pre="llama-bpe", **facts).encode("a zyx")[-1] == trained.vocab_size
    assert trained.vocab_size not in open_words(pre="qwen2", **facts).encode("a zyx")


# -- special tokens


def test_text_becomes_a_special_token_only_when_asked(open_words: Open, trained: Tokenizer) -> None:
    words = open_words(**facts_of(trained))
    text = "a<|im_end|>b <think>\n</think><|im_end"
    assert not trained.special_ids & set(words.encode(text))
    assert words.encode(text) == trained.encode(text)
    assert words.encode(text, specials=True) == [
        *trained.encode("a"),
        trained.im_end,
        *trained.encode("b "),
        trained.special["<think>"],
        *trained.encode("\n"),
        trained.special["</think>"],
        *trained.encode("<|im_end"),
    ]


def test_of_special_tokens_the_longest_is_taken(open_words: Open, trained: Tokenizer) -> None:
    facts = facts_of(trained)
    facts["tokens"] = [*facts["tokens"], "<a", "<ab>", "<abc"]
    facts["types"] = [*facts["types"], *[gguf.TokenType.CONTROL] * 3]
    first = trained.vocab_size
    words = open_words(**facts)
    found = [i - first for i in words.encode("<ab><abc<ax<abd", specials=True) if i >= first]
    assert found == [1, 2, 0, 0]


# -- SentencePiece


def piece_facts(scores: dict[str, float]) -> dict[str, Any]:
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *scores]
    kinds = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]
    return {
        "model": "llama",
        "pre": "default",
        "tokens": names,
        "types": [*kinds, *[gguf.TokenType.NORMAL] * len(scores)],
        "scores": [0.0] * 259 + list(scores.values()),
    }


def merged_by_score(text: str, scores: dict[str, float], ids: dict[str, int]) -> list[int]:
    """SentencePiece's rule word for word: merge the best pair, the leftmost of equals, until there is none."""
    parts = list("▁" + text.replace(" ", "▁")) if text else []
    while True:
        pairs = [(-scores[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in scores]
        if not pairs:
            break
        at = min(pairs)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return [i for part in parts for i in ([ids[part]] if part in ids else [3 + byte for byte in part.encode()])]


def test_sentencepiece_merges_the_best_score_first(open_words: Open) -> None:
    chance = random.Random(5)
    sample = "▁the▁cat▁sat▁on▁the▁mat▁▁▁and▁theé日▁say"
    pieces = sorted({sample[i : i + n] for i in range(len(sample)) for n in range(1, 7)} - {"日", "y"})
    scores = {piece: float(-chance.randrange(12)) for piece in pieces}  # many are equal
    facts = piece_facts(scores)
    ids = {token: i for i, token in enumerate(facts["tokens"]) if i >= 259}
    words = open_words(**facts)
    for _ in range(400):
        text = "".join(chance.choices("the cat sat on é日y  <s>▁", k=chance.randrange(40)))
        assert words.encode(text) == merged_by_score(text, scores, ids), text
    assert words.encode("the cat") == words.encode("the▁cat")
    assert b"".join(map(words.piece, words.encode("the 日 cat"))) == " the 日 cat".encode()


def test_the_space_before_a_text_can_be_left_out(open_words: Open) -> None:
    facts = piece_facts({"▁": -1.0, "a": -2.0, "▁a": -3.0})
    assert open_words(**facts).encode("a") == [261]
    assert open_words(**facts, add_space_prefix=False).encode("a") == [260]
    assert open_words(**facts).encode("a<s>a", specials=True) == [261, 1, 261]


# -- limits of the caller, and files that are refused


def test_no_more_ids_are_written_than_there_is_room_for(open_words: Open, trained: Tokenizer) -> None:
    words = open_words(**facts_of(trained))
    ids = (ctypes.c_int32 * 4)(-7, -7, -7, -7)
    assert words.library.eyas_encode(words.handle, b"xyxyx", ctypes.c_size_t(5), 0, ids, 2) == 5
    assert ids[:] == [*words.encode("xy"), -7, -7]
    assert words.library.eyas_encode(words.handle, b"xyxyx", ctypes.c_size_t(5), 0, None, 0) == 5


def refusal(open_words: Open, **facts: Any) -> str:
    with pytest.raises(ValueError) as caught:
        open_words(**facts)
    return str(caught.value)


def test_what_is_not_known_is_refused_with_the_reason(open_words: Open, trained: Tokenizer) -> None:
    facts = facts_of(trained)
    assert "cuts words as `tekken` does" in refusal(open_words, **(facts | {"pre": "tekken"}))
    assert "cuts words as `` does" in refusal(open_words, **(facts | {"pre": None}))
    assert "the model `bert`" in refusal(open_words, **(facts | {"model": "bert"}))
    assert "merge 0 `zz zz` is not of tokens" in refusal(open_words, **(facts | {"merges": ["zz zz"]}))
    assert "merge 0 `zz` is damaged" in refusal(open_words, **(facts | {"merges": ["zz"]}))
    assert "no token for the byte 33" in refusal(
        open_words, **(facts | {"tokens": ["?!?" if t == "!" else t for t in facts["tokens"]]})
    )
    assert "only some" in refusal(open_words, **(facts | {"types": facts["types"][:-1]}))
    pieces = piece_facts({"▁": 0.0})
    assert "no scores" in refusal(open_words, **(pieces | {"scores": None}))
    assert "is no number" in refusal(open_words, **(pieces | {"scores": [float("nan")] * 260}))


def test_a_file_cut_anywhere_is_refused_in_one_line(library: Library, tmp_path: Path, trained: Tokenizer) -> None:
    whole = write_gguf(tmp_path / "words.gguf", **facts_of(trained)).read_bytes()
    cut = tmp_path / "cut.gguf"
    for size in [0, 3, 4, 8, 23, 24, *random.Random(3).sample(range(25, len(whole) - 32), 200)]:
        cut.write_bytes(whole[:size])
        with pytest.raises(ValueError) as caught:
            Words(library, cut)
        assert str(caught.value).startswith(str(cut)) and "\n" not in str(caught.value)


def test_what_is_no_file_of_ours_is_refused(library: Library, tmp_path: Path, trained: Tokenizer) -> None:
    file = write_gguf(tmp_path / "words.gguf", **facts_of(trained))
    whole = file.read_bytes()
    for change, why in (
        (b"GGML" + whole[4:], "no GGUF file"),
        (whole[:4] + b"\1" + whole[5:], "GGUF of version 1"),
        (whole[:4] + b"\0\0\0\3" + whole[8:], "little-endian"),
        (whole[:16] + b"\xff" * 8 + whole[24:], "announces more than it holds"),
        (whole.replace(b"tokenizer.ggml.pre\x08", b"tokenizer.ggml.pre\x7f"), "unknown kind 127"),
        (whole.replace(b"general.architecture", b"tokenizer.ggml.model"), "two facts `tokenizer.ggml.model`"),
    ):
        file.write_bytes(change)
        with pytest.raises(ValueError, match=why):
            Words(library, file)
    with pytest.raises(ValueError, match="cannot be opened: No such file"):
        Words(library, tmp_path / "absent.gguf")
    with pytest.raises(ValueError, match="is no file"):
        Words(library, tmp_path)


# -- the generated tables


def test_the_unicode_tables_are_those_of_the_regex_engine(root: Path, tmp_path: Path) -> None:
    program = [sys.executable, str(root / "tools" / "unicode_tables.py")]
    text = SOURCE.read_text(encoding="utf-8")
    old = tmp_path / "run.c"
    old.write_text(text.replace("9,5,18,1,", "9,5,17,1,"), encoding="utf-8")
    done = subprocess.run([*program, "--check", str(old)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "out of date" in done.stderr
    subprocess.run([*program, str(old)], check=True)
    assert old.read_text(encoding="utf-8") == text
