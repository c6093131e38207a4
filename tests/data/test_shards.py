"""Token shards: what goes in comes out, copies and held-out documents aside, whatever kills the build in between."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eyas.data.build import BuildReport, build_shards
from eyas.data.dedup import Seen, document_hash
from eyas.data.documents import Document
from eyas.data.packing import PackedRows
from eyas.data.shards import Shards
from eyas.data.sources import Source
from eyas.data.split import split
from eyas.errors import EyasError

MARK = "\n<|endoftext|>\n"
STORIES = [f"Story number {i}: the heron of house {i * i} stood in the reeds." for i in range(400)]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_text_comes_out_as_it_went_in(build, texts_in):
    shards = build(MARK.join(STORIES))
    assert texts_in(shards) == STORIES
    assert shards.tokens() == sum(len(story.encode()) + 1 for story in STORIES)
    assert shards.bytes() == sum(len(story.encode()) for story in STORIES)


def test_each_document_begins_with_endoftext_and_knows_its_bytes(build):
    docs = build("h\u00e9ron" + MARK + "owl").train
    first = docs.document(0)
    assert (first.ids[0], len(first.ids), first.n_bytes, first.floor_bits) == (0, 7, 6, None)
    assert docs.lengths.tolist() == [7, 4]
    assert docs.read(1, 1, 99).tolist() == [ord(c) + 1 for c in "owl"]


def test_copies_are_dropped_and_counted(build, texts_in):
    report = BuildReport()
    shards = build(MARK.join(["one", "two", "one", "three", "two"]), report=report)
    assert texts_in(shards) == ["one", "two", "three"]
    assert report.tally.counts == shards.index["left_out"] == {"duplicate": 2}


def test_about_a_fraction_of_the_documents_is_held_out_and_none_is_in_both(build, texts_in):
    stories = [f"{story} {i}" for story in STORIES for i in range(5)]
    shards = build(MARK.join(stories), val_fraction=0.1)
    train, val = texts_in(shards), texts_in(shards, "val")
    assert sorted(train + val) == sorted(stories)
    assert 140 <= len(val) <= 260
    assert [doc.n_bytes for doc in shards.val_documents()] == [len(text) for text in val]


def test_a_document_is_held_out_by_its_text_alone():
    def held_out(texts: list[str]) -> set[str]:
        hashed = ((0, Document(text), document_hash(text.encode())) for text in texts)
        return {document.text for _, document, held in split(hashed, 0.05) if held}

    many = [f"text {i}" for i in range(1000)]
    assert held_out(many) == held_out(many[::-1])
    assert held_out(many) <= held_out([*many, *(f"more {i}" for i in range(500))])


def test_a_small_corpus_holds_out_at_least_one_document(build):
    shards = build(MARK.join(STORIES[:30]), val_fraction=0.01)
    assert (len(shards.train), len(shards.val)) == (29, 1)


def test_of_a_single_document_the_end_is_held_out(build, texts_in):
    lines = "".join(f"line {i}\n" for i in range(1000))
    shards = build(lines, val_fraction=0.1)
    (train,), (val,) = texts_in(shards), texts_in(shards, "val")
    assert train + val == lines
    assert train.endswith("\n")
    assert len(val) == pytest.approx(0.1 * len(lines), rel=0.05)


def test_a_single_document_is_held_out_from_even_where_few_tokens_are_wanted(build, texts_in):
    shards = build("".join(f"line {i}\n" for i in range(1000)), val_fraction=0.1, n_tokens=100)
    assert len(texts_in(shards)) == len(texts_in(shards, "val")) == 1


def test_no_more_documents_are_written_than_the_tokens_wanted_need(build):
    shards = build(MARK.join(STORIES), n_tokens=5000)
    assert 5000 <= shards.tokens() < 5000 + 100


def test_large_vocabularies_take_four_bytes_a_token(build, tokenizer, texts_in):
    tokenizer.vocab_size = 100_000
    shards = build("heron", tokenizer=tokenizer)
    assert shards.index["dtype"] == "uint32"
    assert texts_in(shards) == ["heron"]


def test_the_index_counts_each_source(build):
    shards = build(MARK.join(STORIES[:50]), MARK.join(["x" * 10, "y" * 10]))
    first, second = shards.index["sources"]
    assert (first["train_documents"], second["train_documents"]) == (50, 2)
    assert (second["train_bytes"], second["train_tokens"]) == (20, 22)


def test_floor_bits_of_the_world_reach_the_held_out_documents(tmp_path, tokenizer, monkeypatch):
    papers = [Document(f"paper {i}", float(i)) for i in range(100)]
    monkeypatch.setattr("eyas.data.sources._world", lambda seed, people: iter(papers))
    shards = build_shards([Source("world")], tokenizer, tmp_path / "s", n_tokens=500, val_fraction=0.2)
    for document in shards.val_documents():
        text = bytes(int(i) - 1 for i in document.ids[1:]).decode()
        assert document.floor_bits == float(text.split()[1])


def test_training_rows_come_straight_from_shards(build):
    shards = build(MARK.join(STORIES), shard_tokens=3000)
    assert len(shards.records["train"]) > 3
    rows = PackedRows(shards.train, 128, 4, seed=0)
    in_memory = PackedRows([shards.train.document(i).ids for i in range(len(shards.train))], 128, 4, seed=0)
    for step in (0, 3, 50):
        assert (rows.batch(step)["tokens"] == in_memory.batch(step)["tokens"]).all()


# -- what is on the disk already


def test_the_same_input_gives_the_same_files_and_is_encoded_once(tmp_path, tokenizer):
    source = tmp_path / "stories.txt"
    source.write_text(MARK.join(STORIES))
    first = build_shards([str(source)], tokenizer, tmp_path / "a", val_fraction=0.1)
    calls = tokenizer.calls
    assert build_shards([str(source)], tokenizer, tmp_path / "a", val_fraction=0.1).sha256 == first.sha256
    assert tokenizer.calls == calls
    build_shards([str(source)], tokenizer, tmp_path / "b", val_fraction=0.1)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_shards_of_other_settings_are_refused_and_left_alone(tmp_path, tokenizer):
    source = tmp_path / "stories.txt"
    source.write_text(MARK.join(STORIES))
    build_shards([str(source)], tokenizer, tmp_path / "a", val_fraction=0.1)
    before = files_of(tmp_path / "a")
    with pytest.raises(EyasError, match="holds shards of other data or settings"):
        build_shards([str(source)], tokenizer, tmp_path / "a", val_fraction=0.2)
    assert files_of(tmp_path / "a") == before


def test_a_changed_source_is_noticed(tmp_path, tokenizer):
    source = tmp_path / "stories.txt"
    source.write_text(MARK.join(STORIES))
    build_shards([str(source)], tokenizer, tmp_path / "a")
    source.write_text(MARK.join(STORIES[:-1]))
    with pytest.raises(EyasError, match="other data or settings"):
        build_shards([str(source)], tokenizer, tmp_path / "a")


class Failing:
    """Fails at the n-th batch, as a full disk or Ctrl-C would."""

    vocab_size, endoftext, fingerprint = 257, 0, "bytes"

    def __init__(self, inner, after: int):
        self.inner, self.left = inner, after

    def encode_batch(self, texts, threads=2):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.inner.encode_batch(texts, threads)


@pytest.mark.parametrize("batches", [1, 2, 7, 23, 27])
@pytest.mark.parametrize("n_tokens", [None, 14_000])
def test_a_build_that_was_stopped_goes_on_to_the_same_result(tmp_path, tokenizer, monkeypatch, batches, n_tokens):
    monkeypatch.setattr("eyas.data.build.BATCH_BYTES", 500)
    source = tmp_path / "stories.txt"
    source.write_text(MARK.join([*STORIES, *STORIES[:50]]))
    options = {"val_fraction": 0.1, "shard_tokens": 3000, "n_tokens": n_tokens}
    build_shards([str(source)], tokenizer, tmp_path / "whole", **options)
    whole_calls = tokenizer.calls
    with pytest.raises(KeyboardInterrupt):
        build_shards([str(source)], Failing(tokenizer, batches), tmp_path / "stopped", **options)
    finished = list((tmp_path / "stopped").glob("train-*.bin"))
    tokenizer.calls = 0
    report = BuildReport()
    build_shards([str(source)], tokenizer, tmp_path / "stopped", report=report, **options)
    assert files_of(tmp_path / "stopped") == files_of(tmp_path / "whole")
    assert report.resumed == bool(finished)
    if finished:
        assert tokenizer.calls < whole_calls


KILLED = """
import os, sys
from pathlib import Path
import eyas.data.build as build
from tests.data.conftest import ByteTokenizer

class Dying(ByteTokenizer):
    def encode_batch(self, texts, threads=2):
        if self.calls == 20:
            os.kill(os.getpid(), 9)
        return super().encode_batch(texts, threads)

build.BATCH_BYTES = 500
build.build_shards([sys.argv[1]], Dying(), Path(sys.argv[2]), val_fraction=0.1, shard_tokens=3000)
"""


def test_a_build_killed_with_signal_nine_goes_on_to_the_same_result(tmp_path, tokenizer, monkeypatch, root):
    monkeypatch.setattr("eyas.data.build.BATCH_BYTES", 500)
    source = tmp_path / "stories.txt"
    source.write_text(MARK.join(STORIES))
    command = [sys.executable, "-c", KILLED, str(source), str(tmp_path / "killed")]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (tmp_path / "killed" / "index.json").exists()
    assert list((tmp_path / "killed").glob("*.part"))
    for name in ("killed", "whole"):
        build_shards([str(source)], tokenizer, tmp_path / name, val_fraction=0.1, shard_tokens=3000)
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")


def test_an_unfinished_build_of_other_settings_is_begun_anew(tmp_path, tokenizer, monkeypatch):
    monkeypatch.setattr("eyas.data.build.BATCH_BYTES", 500)
    source = tmp_path / "stories.txt"
    source.write_text(MARK.join(STORIES))
    with pytest.raises(KeyboardInterrupt):
        build_shards([str(source)], Failing(tokenizer, 20), tmp_path / "a", shard_tokens=3000)
    report = BuildReport()
    build_shards([str(source)], tokenizer, tmp_path / "a", shard_tokens=4000, report=report)
    build_shards([str(source)], tokenizer, tmp_path / "b", shard_tokens=4000)
    assert not report.resumed
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


# -- damage


@pytest.mark.parametrize("name", ["train-00000.bin", "train-00000.docs", "val-00000.bin"])
def test_a_flipped_bit_is_found_by_its_checksum(build, name):
    shards = build(MARK.join(STORIES), val_fraction=0.1)
    path = shards.folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(EyasError, match=rf"{name} is damaged \(wrong checksum\).*build it again"):
        Shards.load(shards.folder)


def test_a_short_or_missing_shard_is_named(build):
    shards = build(MARK.join(STORIES))
    path = shards.folder / "train-00000.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(EyasError, match=r"train-00000.bin is damaged: \d+ bytes instead of"):
        Shards.load(shards.folder, verify=False)
    path.unlink()
    with pytest.raises(EyasError, match=r"train-00000.bin is missing"):
        Shards.load(shards.folder)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": "eyas token shards 1"}', '{"format": "other"}'])
def test_a_damaged_index_is_one_sentence(build, content):
    shards = build("heron")
    (shards.folder / "index.json").write_text(content)
    with pytest.raises(EyasError, match=r"index\.json"):
        Shards.load(shards.folder)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_index_is_read_or_refused(tmp_path, tokenizer, data):
    source = tmp_path / "a.txt"
    if not source.exists():
        source.write_text("heron")
    shards = build_shards([str(source)], tokenizer, tmp_path / "shards", val_fraction=0)
    index = json.loads(json.dumps(shards.index))
    at = index
    while True:  # walk down to any place and put anything there
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], (dict, list)) or not at[key] or data.draw(st.booleans()):
            at[key] = data.draw(JSON_VALUES)
            break
        at = at[key]
    folder = tmp_path / "damaged"
    if not folder.exists():
        shutil.copytree(tmp_path / "shards", folder)
    (folder / "index.json").write_text(json.dumps(index))
    with contextlib.suppress(EyasError):
        opened = Shards.load(folder)
        assert [document.n_bytes for document in map(opened.train.document, range(len(opened.train)))] in ([], [5])


# -- bad requests


def test_a_source_without_text_is_one_sentence(build):
    with pytest.raises(EyasError, match="hold no text to train on"):
        build("  \n ")


def test_an_endless_source_needs_a_number_of_tokens(tmp_path, tokenizer):
    with pytest.raises(EyasError, match="never ends: say how much of it with --tokens"):
        build_shards(["world"], tokenizer, tmp_path / "s")


def test_nothing_and_odd_fractions_are_refused(tmp_path, tokenizer):
    with pytest.raises(EyasError, match="no source of text"):
        build_shards([], tokenizer, tmp_path / "s")
    with pytest.raises(EyasError, match="--val-fraction"):
        build_shards(["python-docs"], tokenizer, tmp_path / "s", val_fraction=1.5)


def test_a_full_disk_is_one_sentence(build, monkeypatch):
    def full(self, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eyas.data.shards.ShardWriter.add", full)
    with pytest.raises(EyasError, match="No space left on device; free space"):
        build("heron")


# -- the set of hashes


@given(st.lists(st.integers(0, 300), max_size=400))
def test_the_set_of_hashes_is_a_set(numbers):
    with mock.patch("eyas.data.dedup.RECENT", 16):
        seen, plain = Seen(), set()
        for number in numbers:
            digest = (number % 7).to_bytes(8, "little") + number.to_bytes(8, "little")  # equal first halves
            assert seen.add(digest) == (digest not in plain)
            plain.add(digest)
        assert len(seen) == len(plain)
