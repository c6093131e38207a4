"""`eyas tokenizer`: from files to a folder that loads, or one sentence."""

import json
from pathlib import Path

import pytest

from eyas.cli.main import run
from eyas.text.tokenizer import Tokenizer

TEXT = "The ferry leaves at noon and the miller waits by the weir. " * 50


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "town.txt"
    file.write_text(TEXT, encoding="utf-8")
    return file


def test_a_tokenizer_is_learned_and_its_figures_told(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tokenizer"
    assert run(["tokenizer", str(corpus), "-o", str(out), "--vocab-size", "290", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    tokenizer = Tokenizer.load(out)
    assert figures["vocab_size"] == tokenizer.vocab_size == 290
    assert figures["text_bytes"] == len(TEXT.rstrip()) or figures["text_bytes"] == len(TEXT)
    assert figures["bytes_per_token"] == pytest.approx(len(TEXT) / len(tokenizer.encode(TEXT)), rel=0.02)


def test_sources_are_given_one_after_another_and_read_up_to_the_limit(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for number in range(20):
        (many / f"{number:02}.txt").write_text(f"letter {number}. " + TEXT)
    arguments = ["--vocab-size", "290", "--json", "--megabytes", "0.01"]
    assert run(["tokenizer", str(corpus), f"{many}:2", "-o", str(tmp_path / "out"), *arguments]) == 0
    read = json.loads(capsys.readouterr().out)["text_bytes"]
    assert 10_000 <= read <= 10_000 + 2 * len(TEXT)


def test_what_was_there_before_stays(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "tokenizer"
    out.mkdir()
    (out / "precious").write_text("x")
    assert run(["tokenizer", str(corpus), "-o", str(out)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["precious"]


@pytest.mark.parametrize(
    ("arguments", "why", "code"),
    [
        (["nowhere.txt", "-o", "out"], "nowhere.txt: no such file", 1),
        (["empty.txt", "-o", "out"], "empty", 1),
        (["-o", "out"], "missing argument 'SRC...'", 2),
        (["town.txt"], "--out is required", 1),
        (["town.txt", "-o", "out", "--vocab-size", "271"], "--vocab-size: Input should be greater", 1),
        (["town.txt:0", "-o", "out"], "weight must be greater than 0", 1),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    corpus: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    why: str,
    code: int,
) -> None:
    monkeypatch.chdir(corpus.parent)
    Path("empty.txt").write_text("")
    assert run(["tokenizer", *arguments]) == code
    error = capsys.readouterr().err
    assert why in error and error.splitlines()[-1].startswith("eyas: ")
    assert sorted(path.name for path in corpus.parent.iterdir()) == ["empty.txt", "town.txt"]
