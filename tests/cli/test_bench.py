"""`eyas bench`, and the flags that choose an engine."""

import json
from pathlib import Path

import pytest

from eyas.cli.main import run

FEW = ["--prompt", "16", "--tokens", "8", "--sequences", "2"]


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eyas.runtime.bench._SHORTEST", 0.0)


def test_figures_are_told_as_a_table_and_as_json(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", f"{life}/base", *FEW, "--lookup"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("prefill of 16") for line in lines)
    assert any(line.startswith("decode, 2 sequences") for line in lines)
    assert lines[-1].startswith("repetitive text:")
    assert run(["bench", f"{life}/base", *FEW, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["work"]) == {"prefill", "decode", "batched"} and found["speculation"] is None
    assert all(work["tokens_per_second"] > 0 for work in found["work"].values())


@pytest.mark.parametrize("engine", ["c", "torch"])
def test_an_engine_can_be_chosen_and_says_the_same(life: Path, capsys: pytest.CaptureFixture[str], engine: str) -> None:
    from eyas.runtime.library import library

    if engine == "c" and library() is None:
        pytest.skip("no C compiler on this machine")
    said = []
    arguments = ["dream", f"{life}/assistant", "-n", "2", "--max-tokens", "20", "--temperature", "0", "--json"]
    for flags in ([], ["--engine", engine, "--threads", "1"], ["--lookup"], ["--draft", f"{life}/base"]):
        assert (
            run(["dream", f"{life}/assistant", "-n", "2", "--max-tokens", "20", "--temperature", "0", *flags, "--json"])
            == 0
        )
        said.append(capsys.readouterr().out)
    assert said == said[:1] * 4
    assert run([*arguments, "--repetition-penalty", "2"]) == 0
    assert capsys.readouterr().out != said[0]


def test_two_ways_to_guess_are_one_too_many(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dream", f"{life}/base", "--lookup", "--draft", f"{life}/base"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("eyas: --draft and --lookup") and error.count("\n") == 1
