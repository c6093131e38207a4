"""`eyas eval`: what is measured when nothing is said, and on what."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from eyas.cli.main import run
from eyas.files import write_atomic
from eyas.store.lineage import read_lineage

TEXT = "Mira Tallow lives in Mill Lane. She keeps a goat and likes the rain.\n"


@pytest.fixture
def raised(life: Path, tmp_path: Path) -> Any:
    """A copy of the life whose lineage says that it was trained as told."""
    import shutil

    def raise_with(base: dict[str, Any], assistant: dict[str, Any]) -> Path:
        copy = tmp_path / "life"
        shutil.copytree(life, copy)
        for name, config in (("base", base), ("assistant", assistant)):
            folder = copy / "models" / name
            write_atomic(folder / "lineage.json", json.dumps(read_lineage(folder) | {"config": config}))
        return copy

    return raise_with


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run(["eval", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_text_that_is_named_is_measured_whole(life: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(TEXT)
    found = answer(capsys, f"{life}/base", "--data", str(file))
    assert found["exam"] is None
    assert found["bpb"]["documents"] == 1 and found["bpb"]["bytes"] in (len(TEXT), len(TEXT) - 1)
    # An untrained model is about as good as guessing among its tokens.
    guess = found["bpb"]["tokens"] * math.log2(300) / found["bpb"]["bytes"]
    assert found["bpb"]["bpb"] == pytest.approx(guess, rel=0.1)


def test_a_gguf_file_is_measured_like_the_folder_it_was_made_of(
    life: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(TEXT)
    assert run(["export", f"{life}/base", "-o", str(tmp_path / "base.gguf"), "--type", "f32"]) == 0
    capsys.readouterr()
    folder = answer(capsys, f"{life}/base", "--data", str(file), "--engine", "torch")
    found = answer(capsys, str(tmp_path / "base.gguf"), "--data", str(file))
    assert found["bpb"]["bpb"] == pytest.approx(folder["bpb"]["bpb"], rel=1e-5)
    assert run(["eval", str(tmp_path / "base.gguf")]) == 1
    assert "does not tell what it was trained on" in capsys.readouterr().err


def test_without_data_it_measures_what_training_held_out(
    raised: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "letters.jsonl"
    file.write_text("".join(json.dumps({"text": f"Letter {number}. {TEXT}"}) + "\n" for number in range(200)))
    life = raised({"data": [str(file)], "val_fraction": 0.2, "seed": 3}, {"data": ["rows.jsonl"]})
    for name in ("base", "assistant"):
        found = answer(capsys, f"{life}/{name}")
        assert 10 <= found["bpb"]["documents"] <= 80 and found["exam"] is None


def test_a_model_finetuned_on_the_world_takes_the_exam(raised: Any, capsys: pytest.CaptureFixture[str]) -> None:
    life = raised({"data": ["world"], "seed": 1, "people": 20}, {"data": ["world:1"]})
    found = answer(capsys, f"{life}/assistant", "--tasks", "exam", "--n", "2")
    assert found["bpb"] is None
    assert all(share["n"] == 2 and 0 <= share["low"] <= share["high"] <= 1 for share in found["exam"]["right"].values())
    assert found["exam"]["over_refusal"]["n"] == 2
    assert run(["eval", f"{life}/assistant", "--tasks", "exam", "--n", "2"]) == 0
    text = capsys.readouterr().out
    assert "facts of people only read about" in text and "n=2" in text


def test_recall_is_measured_when_it_is_asked_for(
    life: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(TEXT * 200)
    asked = (f"{life}/base", "--tasks", "recall", "--data", str(file))
    found = answer(capsys, *asked)
    assert found["bpb"] is None and list(found["recall"]["copied"]) == ["8", "16", "32", "64"]
    assert run(["eval", *asked]) == 0
    assert "64 tokens back" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({}, "does not tell what it was trained on"),
        ({"data": ["gone.txt"]}, "gone.txt: no such file"),
        ({"data": ["world"], "val_fraction": 0}, "held nothing out"),
    ],
)
def test_a_model_whose_text_is_not_known_is_one_sentence(
    raised: Any, capsys: pytest.CaptureFixture[str], config: dict[str, Any], why: str
) -> None:
    life = raised(config, {})
    assert run(["eval", f"{life}/base"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("eyas: ") and why in error
