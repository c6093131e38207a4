"""`eyas arena table`: what it prints, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from eyas.cli.main import run

HEAD = "left,right,vote,question,judge\n"


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    """Two models and a third that never lost; people and a judge on the same questions; codes 1, 2 and 3."""
    lines = [f"hawk,owl,{vote},q{i},{judge}" for judge in ("human:anna", "gpt") for i, vote in enumerate("1112213121")]
    lines += [f"kite,owl,1,q{i},gpt" for i in range(5)] + ["hawk,owl,-1,q1,gpt"]
    file = tmp_path / "votes.csv"
    file.write_text(HEAD + "\n".join(lines) + "\n")
    return file


FLAGS = "--model-a left --model-b right --winner vote --win-a 1 --win-b 2 --tie 3 --skip -1 --prompt question".split()


def table(file: Path, *flags: str) -> int:
    return run(["arena", "table", str(file), *flags])


def test_the_table_tells_prior_intervals_warnings_and_what_to_do_next(
    votes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table(votes, *FLAGS) == 0
    text = capsys.readouterr().out
    assert "25 battles, 3 models, 2 ties" in text and "prior: Gaussian, 400 points" in text
    assert "clustered by 10 prompts" in text
    assert "warning: kite never lost a point" in text and "to open" in text
    assert "the next battle tells most between" in text and "1 battles left out" in text


def test_json_holds_the_same_and_a_board_for_each_kind_of_judge(
    votes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table(votes, *FLAGS, "--judge", "judge", "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [board["name"] for board in found["boards"]] == ["all", "human", "judge"]
    assert [board["battles"] for board in found["boards"]] == [25, 10, 15]
    assert found["agreement"]["kappa"] == 1.0 and found["agreement"]["pairs"] == 10
    first = found["boards"][0]["standings"][0]
    assert first["model"] == "kite" and first["high"] is None and first["rank"] == 1
    assert table(votes, *FLAGS, "--judge", "judge") == 0
    assert "people and judges agree in 100.0 %" in capsys.readouterr().out


def test_only_what_one_judge_decided_may_be_counted(votes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for judge, battles in (("human", 10), ("gpt", 15)):
        assert table(votes, *FLAGS, "--judge", "judge", "--by", judge, "--json") == 0
        (board,) = json.loads(capsys.readouterr().out)["boards"]
        assert board["battles"] == battles


def test_a_seed_makes_the_bootstrap_the_same_again(votes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for seed in ("1", "1", "2"):
        assert table(votes, *FLAGS, "--intervals", "bootstrap", "--rounds", "30", "--seed", seed, "--json") == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1] != told[2]


def test_davidson_and_the_first_place_are_told(votes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert table(votes, *FLAGS, "--ties", "davidson", "--side", "--anchor", "owl=1200") == 0
    text = capsys.readouterr().out
    assert "Davidson's nu" in text and "first place:" in text and " 1200 " in text


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "line 2 of {file} has no column `model_a` (it has left, right, vote, question, judge)"),
        (FLAGS[:6], "line 5 of {file} has the winner 2, which is no score from 0"),
        ([*FLAGS, "--anchor", "crow"], "--anchor crow fought no battle; choose one of hawk, owl, kite"),
        ([*FLAGS, "--anchor", "owl=high"], "--anchor owl=high: `high` is no rating"),
        ([*FLAGS, "--by", "gpt"], "--by needs to know who judged; name the column that tells it with --judge"),
        ([*FLAGS, "--judge", "judge", "--by", "gp"], "--by gp decided no battle; who did: human:anna, gpt"),
        ([*FLAGS, "--prior-sd", "0"], "--prior-sd: Input should be greater than 0"),
        ([*FLAGS, "--prior-sd", "inf"], "without a prior these battles have no most probable ratings"),
    ],
)
def test_what_cannot_be_rated_is_one_sentence(
    votes: Path, flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table(votes, *flags) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"eyas: {sentence.format(file=votes)}") and error.count("\n") == 1


def test_models_fight_and_the_table_follows(life: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "asked.jsonl").write_text("".join(f'{{"prompt": "Who is {n}?"}}\n' for n in range(8)))
    flags = ["--judge", "rule:shorter", "--prompts", str(tmp_path / "asked.jsonl"), "--max-tokens", "8", "-n", "6"]
    flags += ["-o", str(tmp_path / "battles.jsonl")]
    assert run(["arena", "run", str(life), *flags]) == 0
    text = capsys.readouterr().out
    assert text.startswith("6 battles judged by rule:shorter\n") and "clustered by 6 prompts" in text
    assert run(["arena", "run", str(life), *flags, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["models"] == ["assistant", "base"] and found["table"]["boards"][0]["battles"] == 6
    assert run(["arena", "table", str(tmp_path / "battles.jsonl"), "--prompt", "prompt"]) == 0
    assert run(["arena", "run", "--judge", "rule:shorter"]) == 1
    assert "name a life, or a file for the battles with -o" in capsys.readouterr().err


def test_names_from_a_file_cannot_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "battles.jsonl"
    file.write_text(json.dumps({"model_a": "a\x1b[2J", "model_b": "b", "winner": "a"}) + "\n")
    assert table(file) == 0
    assert "\x1b" not in capsys.readouterr().out
