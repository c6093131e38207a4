"""Sources: every spelling of `--data`, every kind of file, text as it is, one sentence for what is wrong."""

import sys
import types
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyas.data import textfiles
from eyas.data.documents import Document, Tally
from eyas.data.mix import interleave
from eyas.data.pythondocs import python_documents
from eyas.data.sources import documents, parse_source, texts
from eyas.errors import EyasError
from tests.data.files import compressed, write_table


def texts_of(source: Path | str, **options: Any) -> list[str]:
    return [document.text for document in documents(str(source), **options)]


# -- spelling


@pytest.mark.parametrize(
    "spelling, name, weight",
    [
        ("world", "world", 1.0),
        ("world:0.25", "world", 0.25),
        ("python-docs:2", "python-docs", 2.0),
        ("hf:roneneldan/TinyStories", "hf:roneneldan/TinyStories", 1.0),
        ("hf:roneneldan/TinyStories:3", "hf:roneneldan/TinyStories", 3.0),
        ("hf:roneneldan/TinyStories:validation", "hf:roneneldan/TinyStories:validation", 1.0),
        ("hf:roneneldan/TinyStories:train[:10%]:.5", "hf:roneneldan/TinyStories:train[:10%]", 0.5),
    ],
)
def test_a_source_is_a_name_and_a_weight(spelling, name, weight):
    source = parse_source(spelling)
    assert (source.name, source.weight) == (name, weight)


def test_a_file_may_have_a_weight_and_a_name_that_looks_like_one(tmp_path):
    for name in ("a.txt", "a.txt:2"):
        (tmp_path / name).write_text(name)
    (tmp_path / "b.txt").write_text("b")
    assert parse_source(f"{tmp_path}/b.txt:2").weight == 2
    assert texts_of(f"{tmp_path}/a.txt:2") == ["a.txt:2"]


@pytest.mark.parametrize(
    "spelling, sentence",
    [
        ("", "--data is empty"),
        ("wrold", "wrold: no such file or folder"),
        ("world:0", "weight must be greater than 0"),
        ("hf:", "write a hub data set as hf:OWNER/NAME"),
        ("hf:a/b/c", "write a hub data set as hf:OWNER/NAME"),
    ],
)
def test_a_wrong_spelling_is_one_sentence(spelling, sentence):
    with pytest.raises(EyasError, match=sentence):
        parse_source(spelling)


# -- text files


@pytest.mark.parametrize("ending", ["txt", "md", "txt.gz", "md.zst", "TXT"])
def test_a_text_file_is_one_document_byte_for_byte(tmp_path, ending):
    text = "\n  H\u00e9ron,\r\n\ttabs \u00a0 and \u0000 NUL \u2028 stay\n\n"
    path = tmp_path / f"a.{ending}"
    kind = ending.rpartition(".")[2]
    path.write_bytes(compressed(text.encode(), kind) if kind in ("gz", "zst") else text.encode())
    assert texts_of(path) == [text]


def test_marks_separate_documents_and_take_their_newlines_along(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(" one\n\nmore\n<|endoftext|>\ntwo<|endoftext|>  three \n<|endoftext|>\n\n<|endoftext|>\nfour\n")
    assert texts_of(path) == [" one\n\nmore", "two", "  three ", "four"]


@given(st.lists(st.text("ab\u00e9\n", min_size=1, max_size=30), max_size=8), st.integers(1, 40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_marks_are_found_wherever_the_read_blocks_end(tmp_path, parts, block):
    path = tmp_path / "a.txt"
    path.write_text("<|endoftext|>".join(parts) or " ")
    old, textfiles._BLOCK = textfiles._BLOCK, block
    try:
        found = texts_of(path)
    finally:
        textfiles._BLOCK = old
    kept = [part for part in parts if part.strip()]
    assert [text.strip("\n") for text in found] == [part.strip("\n") for part in kept]


@given(st.text("ab \n\u00e9\U0001f426", min_size=50, max_size=400))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_very_long_text_is_cut_without_losing_a_byte(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text, newline="")
    old = textfiles._BLOCK, textfiles.MAX_DOCUMENT
    textfiles._BLOCK, textfiles.MAX_DOCUMENT = 8, 40
    try:
        parts = texts_of(path)
        cut = list(textfiles.cut_text(text))
    finally:
        textfiles._BLOCK, textfiles.MAX_DOCUMENT = old
    assert "".join(cut) == text
    assert all(len(part) <= 40 for part in cut)
    assert "".join(parts).replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")
    assert all(len(part.encode()) <= 48 for part in parts)


def test_long_texts_are_cut_after_paragraphs_where_there_are_any(tmp_path, monkeypatch):
    monkeypatch.setattr(textfiles, "MAX_DOCUMENT", 100)
    monkeypatch.setattr(textfiles, "_BLOCK", 10)
    path = tmp_path / "a.txt"
    path.write_text("".join(f"paragraph {i}\nits second line\n\n" for i in range(50)))
    assert all(text.endswith("\n\n") for text in texts_of(path))


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", r"a\.txt is empty"),
        (b"one\ntwo\ncaf\xe9 three", r"line 3 of .*a\.txt is not UTF-8 text \(byte 0xe9"),
        (b"one\n<|endoftext|>\ntwo\nthr\xffee\n<|endoftext|>\nfour", r"line 4 of .*a\.txt is not UTF-8 text"),
        ("one".encode("utf-16"), r"line 1 of .*a\.txt is not UTF-8 text"),
    ],
)
def test_broken_text_is_one_sentence_with_its_line(tmp_path, content, sentence):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(EyasError, match=sentence):
        texts_of(path)


def test_skipping_leaves_out_the_broken_document_only(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one<|endoftext|>t\xffo<|endoftext|>three")
    tally = Tally()
    assert texts_of(path, skip_bad=True, tally=tally) == ["one", "three"]
    assert tally.counts == {"bad": 1}


def test_a_byte_order_mark_is_no_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfheron")
    assert texts_of(tmp_path / "a.txt") == ["heron"]


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_cut_off_text_is_never_taken_for_a_whole_one(tmp_path, ending):
    path = tmp_path / f"a.txt.{ending}"
    path.write_bytes(compressed(str(list(range(50_000))).encode(), ending)[:-6])
    with pytest.raises(EyasError, match=r"(is cut off or damaged|cannot be read to its end)"):
        texts_of(path)


# -- tables and folders


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz", "csv.zst", "parquet.zst"])
def test_the_text_column_of_a_table_is_its_documents(tmp_path, ending):
    rows = [{"title": f"T{i}", "text": f'one, two\n"{i}"\th\u00e9ron '} for i in range(200)]
    write_table(tmp_path / f"a.{ending}", rows)
    assert texts_of(tmp_path / f"a.{ending}") == [row["text"] for row in rows]


def test_a_table_without_text_names_its_columns(tmp_path):
    write_table(tmp_path / "a.csv", [{"title": "x", "body": "y"}])
    with pytest.raises(EyasError, match=r"line 2 of .*a\.csv has no text column \(found: title, body\)"):
        texts_of(tmp_path / "a.csv")


def test_a_folder_is_all_its_files_in_order(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.md").write_text("b")
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "image.png").write_bytes(b"\x89PNG")
    write_table(tmp_path / "sub" / "c.jsonl", [{"text": "c"}])
    assert texts_of(tmp_path) == ["a", "b", "c"]


def test_a_folder_without_text_is_one_sentence(tmp_path):
    with pytest.raises(EyasError, match="holds no text: eyas reads .txt"):
        texts_of(tmp_path)


# -- the world, Python and the hub


def world_papers(seed: int, people: int) -> list[Document]:
    return list(islice(documents("world", seed=seed, people=people), 20))


def test_the_world_follows_seed_and_people_and_tells_its_floor():
    papers = world_papers(3, 50)
    assert papers == world_papers(3, 50)
    assert papers != world_papers(4, 50)
    assert papers != world_papers(3, 60)
    assert all(0 < paper.floor_bits < 8 * len(paper.text.encode()) for paper in papers)


def test_python_docs_are_docstrings_and_sources(tmp_path):
    (tmp_path / "pkg" / "tests").mkdir(parents=True)
    body = '"""' + "What it is for. " * 20 + '"""\ndef f():\n    """Adds."""\n'
    (tmp_path / "pkg" / "__init__.py").write_text(body)
    (tmp_path / "pkg" / "broken.py").write_text("def (")
    (tmp_path / "pkg" / "tests" / "test_a.py").write_text("x = 1")
    page, source = (document.text for document in python_documents(tmp_path))
    assert page.startswith("pkg\nWhat it is for.")
    assert page.endswith("pkg.f\nAdds.\n")
    assert source == body


def fake_hub(rows: Any) -> types.ModuleType:
    module = types.ModuleType("datasets")
    module.asked = []

    def load_dataset(name: str, split: str, streaming: bool) -> Any:
        module.asked.append((name, split, streaming))
        if isinstance(rows, Exception):
            raise rows
        return rows

    module.load_dataset = load_dataset
    return module


def test_a_hub_data_set_is_streamed(monkeypatch):
    hub = fake_hub([{"text": "one"}, {"text": "two"}])
    monkeypatch.setitem(sys.modules, "datasets", hub)
    assert texts_of("hf:owner/name:validation") == ["one", "two"]
    assert hub.asked == [("owner/name", "validation", True)]


def test_what_goes_wrong_with_the_hub_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", fake_hub(ConnectionError("no route\nat all")))
    with pytest.raises(EyasError, match=r"^--data hf:owner/name cannot be read: no route$"):
        texts_of("hf:owner/name")
    monkeypatch.setitem(sys.modules, "datasets", fake_hub([{"title": "x"}]))
    with pytest.raises(EyasError, match=r"row 1 of hf:owner/name has no text column \(found: title\)"):
        texts_of("hf:owner/name")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(EyasError, match=r"needs the datasets library: pip install"):
        texts_of("hf:owner/name")


# -- mixing


@given(st.lists(st.integers(0, 60), min_size=10, max_size=30), st.floats(0.1, 10))
@settings(max_examples=50, deadline=None)
def test_bytes_follow_the_weights_to_within_one_document(lengths, weight):
    streams = [[Document("x" * n) for n in lengths], [Document("y" * n) for n in reversed(lengths)]]
    sent, ended = [0, 0], [0, 0]
    for at, document in interleave(streams, [1.0, weight]):
        assert abs(sent[0] - sent[1] / weight) <= 60 * max(1, 1 / weight) or max(ended) == len(lengths)
        sent[at] += max(1, len(document.text))
        ended[at] += 1
    assert ended == [len(lengths)] * 2


def test_an_endless_stream_stops_with_the_last_finite_one():
    endless = (Document("e") for _ in iter(int, 1))
    got = [at for at, _ in interleave([endless, [Document("f")] * 5], [1.0, 1.0], [True, False])]
    assert got.count(1) == 5
    assert 4 <= got.count(0) <= 6


def test_texts_stop_at_the_bytes_wanted(tmp_path):
    (tmp_path / "a.txt").write_text("<|endoftext|>".join(["x" * 10] * 100))
    assert len(list(texts([str(tmp_path / "a.txt")], max_bytes=95))) == 10
    with pytest.raises(EyasError, match="never ends"):
        list(texts(["world"]))


# -- any bytes at all


@given(
    st.binary(max_size=300) | st.text(max_size=100).map(str.encode),
    st.sampled_from(["txt", "md", "jsonl", "json", "csv", "parquet", "txt.gz", "txt.zst", "parquet.gz"]),
    st.booleans(),
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_documents_or_one_error(tmp_path, content, ending, pack):
    path = tmp_path / f"a.{ending}"
    kind = ending.rpartition(".")[2]
    path.write_bytes(compressed(content, kind) if pack and kind in ("gz", "zst") else content)
    tally = Tally()
    for text in texts_of(path, skip_bad=True, tally=tally):
        text.encode()
    try:
        for text in texts_of(path):
            text.encode()
        assert not tally.counts
    except EyasError as error:
        assert tally.counts
        assert "\n" not in str(error)
