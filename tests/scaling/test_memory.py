"""What sets the kinds of networks apart is told from what was measured, and a damaged file is one sentence."""

import json
from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.evals.intervals import wilson
from eyas.scaling.memory import Memory, memory_file, read_memories, what_is_seen


def memory(arch: str, **hits: int) -> Memory:
    """Hits of a hundred by the distance."""
    return Memory(arch, 1_000_000, 2_000_000, {int(at[1:]): wilson(found, 100) for at, found in hits.items()})


def test_two_sentences_name_who_keeps_most_and_who_least() -> None:
    told = what_is_seen([memory("rnn", _8=10, _16=4, _64=1), memory("transformer", _8=40, _16=30, _64=20)])
    assert told.count(". ") == 1 and told.endswith(".")
    assert "for the rnn 10.0 % at 8 tokens' distance and 1.0 % at 64; for the transformer 40.0 % at 8" in told
    assert "The transformer keeps most of its memory over the distance (50 %), the rnn least (10 %)" in told
    assert "an LSTM has one state" in told and "convolutions" not in told


def test_one_kind_alone_is_compared_with_nothing_and_no_hit_is_no_division() -> None:
    assert what_is_seen([memory("rnn", _8=1)]) == what_is_seen([]) == ""
    assert "(0 %)" in what_is_seen([memory("rnn", _8=0, _16=0), memory("cnn", _8=4, _16=2)])


def test_what_was_written_is_read_and_damage_is_named(tmp_path: Path) -> None:
    written = memory("cnn", _8=7, _16=3)
    told = {"params": 1_000_000, "tokens": 2_000_000, "copied": {d: s.as_json() for d, s in written.copied.items()}}
    memory_file(tmp_path, "cnn").write_text(json.dumps(told))
    assert read_memories(tmp_path, ["transformer", "cnn"]) == [written]
    for damaged in ({}, {**told, "copied": {"far": {}}}, {**told, "copied": [1]}, {**told, "params": "many"}):
        memory_file(tmp_path, "cnn").write_text(json.dumps(damaged))
        with pytest.raises(EyasError, match=r"memory-cnn\.json is damaged"):
            read_memories(tmp_path, ["cnn"])
