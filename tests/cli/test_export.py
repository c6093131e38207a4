"""`eyas export` and `eyas import` from the command line."""

import json
from pathlib import Path

import pytest

from eyas.cli.main import run
from eyas.model.checkpoint import load_model
from eyas.runtime.gguf_read import load_gguf


def test_a_model_goes_out_and_comes_back(life: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, folder = tmp_path / "m.gguf", tmp_path / "m"
    assert run(["export", str(life / "assistant"), "-o", str(file), "--type", "f32"]) == 0
    told = capsys.readouterr().out
    assert "m.gguf: gguf, f32" in told and "bits per weight" in told and "tensors" in told
    assert run(["import", str(file), "-o", str(folder)]) == 0
    assert "a qwen3 model from gguf" in capsys.readouterr().out
    one, other = load_model(life / "models" / "assistant")[0], load_model(folder)[0]
    assert all((a == b).all() for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_figures_come_as_json(life: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "m.gguf"
    assert run(["export", str(life / "base"), "-o", str(file), "--type", "q8_0", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["type"] == "q8_0" and figures["bytes"] == file.stat().st_size
    assert figures["files"] == [str(file)] and 8 < figures["bits_per_weight"] < 16
    assert run(["import", str(file), "-o", str(tmp_path / "m"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["kind"] == "gguf" and figures["parameters"] == load_gguf(file)[0].config.n_params()


@pytest.mark.parametrize(
    ("arguments", "why", "code"),
    [
        (["export", "-o", "m.gguf"], "missing argument 'MODEL'", 2),
        (["export", "nowhere", "-o", "m.gguf"], "there is no model nowhere", 1),
        (["export", "LIFE/base", "-o", "m.bin"], "Qwen3 shape", 1),
        (["export", "LIFE/base", "-o", "m.gguf", "--type", "q2_k"], "'q2_k' is not one of", 2),
        (["export", "LIFE/base"], "--out is required", 1),
        (["import", "-o", "m"], "missing argument 'FILE'", 2),
        (["import", "nowhere.gguf", "-o", "m"], "nowhere.gguf: no such file", 1),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(
    life: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], why: str, code: int,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run([argument.replace("LIFE", str(life)) for argument in arguments]) == code
    told = capsys.readouterr().err
    assert why in told and list(tmp_path.iterdir()) == []
