"""`eyas arena run`: models fight, a judge decides, and the battles are kept and rated."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from eyas.arena.run import RunConfig, run
from eyas.data.rows import read_rows
from eyas.errors import EyasError
from tests.runtime.endpoint import endpoint

QUICK: dict[str, Any] = {"max_tokens": 8, "quiet": True, "judge": "rule:shorter", "n": 40}


def test_all_models_of_a_life_fight_but_those_that_only_score(life: Path) -> None:
    found = run(RunConfig(life=life, **QUICK))
    assert found.models == ["ada", "bob", "cy"] and found.battles == 40 and found.unreadable == 0
    (board,) = found.table.boards
    assert board.battles == 40 and {one.model for one in board.standings} == {"ada", "bob", "cy"}
    again = run(RunConfig(life=life, **QUICK))
    assert again.table.boards == found.table.boards, "the same command finds its battles in the store"


def test_a_file_holds_the_battles_and_a_longer_run_goes_on_from_them(life: Path, tmp_path: Path) -> None:
    out = tmp_path / "battles.jsonl"
    models = [str(life / "models" / name) for name in ("ada", "bob", "cy")]

    def fight(**given: Any) -> list[str]:
        run(RunConfig(models=models, out=out, **QUICK | {"pairs": "all"} | given))
        return out.read_text().splitlines()

    first = fight(n=24)
    rows = [json.loads(line) for line in first]
    assert [(row["model_a"], row["model_b"]) for row in rows[::8]] == [("ada", "bob"), ("ada", "cy"), ("bob", "cy")]
    assert fight(n=24) == first and fight(n=30)[:24] == first and len(fight(n=30)) == 30
    decided = sum(row["winner"] != "tie" for row in rows)
    assert decided and sum(1 for _ in read_rows(out, want="pair")) >= decided


def test_a_model_is_asked_once_for_each_prompt(life: Path, tmp_path: Path) -> None:
    out = tmp_path / "battles.jsonl"
    run(RunConfig(life=life, out=out, **QUICK | {"pairs": "all", "temperature": 1.0}))
    said: dict[tuple[str, str], set[str]] = {}
    for row in map(json.loads, out.read_text().splitlines()):
        for side in ("a", "b"):
            asked = row[f"model_{side}"], row["prompt"][0]["content"]
            said.setdefault(asked, set()).add(json.dumps(row[f"answer_{side}"]))
    assert all(len(answers) == 1 for answers in said.values()) and len(said) < 80


def test_two_models_stop_where_the_prompts_end(life: Path, tmp_path: Path) -> None:
    (tmp_path / "few.jsonl").write_text('{"prompt": "Who?"}\n{"prompt": "Why?"}\n')
    found = run(RunConfig(life=life, prompts=str(tmp_path / "few.jsonl"), **QUICK))
    assert found.battles == 6


def test_verdicts_that_cannot_be_read_are_counted_and_not_scored(life: Path, tmp_path: Path) -> None:
    with endpoint() as there:
        config = RunConfig(
            life=life, models=["ada", "bob"], out=tmp_path / "b.jsonl", **QUICK | {"judge": f"{there.url}#big", "n": 8}
        )
        with pytest.raises(EyasError, match="gave no verdict that can be read"):
            run(config)
        assert not config.out or not config.out.exists()
        there.says = ["[[C]]"] * 14
        found = run(config)
        assert (found.battles, found.table.boards[0].battles) == (8, 8 - found.unreadable) and found.unreadable > 0


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"life": None}, "name a life, or a file for the battles with -o"),
        ({"models": ["ada"]}, "a battle needs two models, not 1"),
    ],
)
def test_what_cannot_be_fought_is_told(given: dict[str, Any], why: str, life: Path) -> None:
    with pytest.raises(EyasError, match=why):
        run(RunConfig(**QUICK | {"life": life} | given))


def test_two_models_of_one_name_are_refused(life: Path, tmp_path: Path) -> None:
    other = shutil.copytree(life / "models" / "bob", tmp_path / "ada")
    with pytest.raises(EyasError, match="have the same name; rename one"):
        run(RunConfig(life=life, models=["ada", str(other)], **QUICK))
