"""`eyas lineage`: from a model to the labels and conversations it learnt from, and what sets two models apart."""

import json
from pathlib import Path

import pytest

from eyas.cli.main import run
from tests.flywheel.family import make_family
from tests.flywheel.labelled import model


@pytest.fixture
def life(tmp_path: Path) -> Path:
    make_family(tmp_path / "life").close()
    return tmp_path / "life"


def test_the_corrections_of_a_model_are_told_with_people_and_conversations(
    life: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lineage", str(life / "fix-3")]) == 0
    out = capsys.readouterr().out
    assert "dataset v2 (0 sft.val, 2 sft.train, 0 preference.val, 2 preference.train)" in out
    assert "2 labels by Ann, Bob on 2 conversations" in out
    assert [line.split()[0].rsplit("/", 1)[1] for line in out.splitlines() if not line.startswith(" ")] == [
        "fix-3", "fix-1", "assistant", "base"
    ]  # fmt: skip


def test_rows_name_file_line_label_and_conversation(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((life / "datasets/v2/manifest.json").read_text())
    assert run(["lineage", f"{life}@champion", "--rows"]) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("    sft.train:2")]
    assert [line[:3] for line in told] == [["sft.train:2", manifest["labels"]["sft.train"][1][0], "Bob"]]


def test_json_holds_the_lineages_and_their_corrections(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lineage", str(life / "fix-1"), "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert [one["stage"] for one in line] == ["finetune", "finetune", "pretrain"]
    assert line[0]["corrections"]["version"] == 1 and len(line[0]["corrections"]["conversations"]) == 1
    assert line[0]["corrections"]["rows"][0]["person"] == "Ann"
    assert line[1]["corrections"] is None


def test_two_models_are_set_side_by_side(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = [str(life / "fix-1"), str(life / "fix-3")]
    assert run(["lineage", *pair]) == 0
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {"both come from fix-1", "lr 0.002 -> 0.001", "exam.right 0.91 -> 0.93", "battle.points - -> 88.4"} <= set(
        told
    )
    assert told[-3:] == ["only of the first 0", "only of the second 1", "of both 1"]
    assert run(["lineage", *pair, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["difference"]["config"] == {"lr": [0.002, 0.001]}


def test_looking_makes_no_store_and_a_model_outside_a_life_has_a_lineage_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model(tmp_path / "life", "base", "pretrain", data=["text"])
    (tmp_path / "life/models/base").rename(tmp_path / "alone")
    assert run(["lineage", str(tmp_path / "alone")]) == 0
    model(tmp_path / "life", "base", "pretrain", data=["text"])
    assert run(["lineage", str(tmp_path / "life/base")]) == 0
    assert "(pretrain)" in capsys.readouterr().out
    assert not (tmp_path / "life/eyas.db").exists()


def test_rows_of_two_models_are_refused_in_a_sentence(life: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lineage", str(life / "fix-1"), str(life / "fix-3"), "--rows"]) == 1
    assert capsys.readouterr().err == "eyas: --rows tells of one model; leave OTHER out\n"
