"""`eyas compare`: what it prints."""

import json
import shutil
from pathlib import Path

import pytest

from eyas.cli.main import run


def test_judges_agreement_and_rows_are_told(life: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = shutil.copytree(life, tmp_path / "life")
    (tmp_path / "asked.jsonl").write_text("".join(f'{{"prompt": "Who is {n}?"}}\n' for n in range(8)))
    flags = ["--prompts", str(tmp_path / "asked.jsonl"), "--max-tokens", "8", "-n", "6", "--judge", "rule:shorter"]
    pairs = ["--out", str(tmp_path / "pairs.jsonl")]
    assert run(["compare", str(mine), *flags, *pairs]) == 0
    text = capsys.readouterr().out
    assert text.startswith("6 pairs of answers by assistant twice, ") and "rule:shorter  " in text
    assert f"rows in {tmp_path / 'pairs.jsonl'}: eyas reward" in text and "kappa" not in text
    both = [*flags, "--models", "base", "--models", "assistant", "--judge", "rule:answers"]
    assert run(["compare", str(mine), *both]) == 0
    text = capsys.readouterr().out
    assert "assistant wins" in text and "of those decided" in text
    assert "rule:shorter and rule:answers: " in text and "prompts are too few to lean on" in text
    assert run(["compare", str(mine), *both, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["models"] == ["base", "assistant"] and found["judges"][1]["ties"] == 6
    assert found["agreements"][0]["agreement"]["pairs"] == 6 - found["same"]


def test_a_judge_must_be_named(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", str(life)]) == 1
    assert "--judge is required" in capsys.readouterr().err
