from pathlib import Path

import pytest

from eyas.arena.table import TableConfig, run
from eyas.errors import EyasError
from eyas.store.database import open_store
from eyas.store.tables import Comparison


def fought(life: Path, *rows: tuple[str, str, str, str, bool]) -> None:
    """Enter comparisons: model A, model B, winner, judge, whether a person voted."""
    life.mkdir(exist_ok=True)
    store = open_store(life)
    with store.session() as session:
        for number, (a, b, winner, judge, person) in enumerate(rows):
            session.add(
                Comparison(
                    prompt=[{"role": "user", "content": f"question {number % 7}"}],
                    answer_a="yes", answer_b="no, never",
                    model_a=a, model_b=b, winner=winner, judge=judge, message_a="1" if person else None,
                    message_b="2" if person else None,
                )
            )  # fmt: skip
    store.close()


def test_a_lifes_votes_and_trials_are_rated_together_and_apart(tmp_path: Path) -> None:
    votes = [("fix-1", "assistant", "model_a", "ann", True)] * 6 + [("fix-1", "assistant", "tie", "bob", True)] * 3
    trials = [("assistant", "fix-1", "model_b", "labels", False)] * 8 + [
        ("assistant", "base", "model_a", "labels", False)
    ] * 4
    fought(tmp_path / "life", *votes, *trials)
    found = run(TableConfig(battles=tmp_path / "life"))
    assert [board.name for board in found.boards] == ["all", "human", "judge"]
    assert [board.battles for board in found.boards] == [21, 9, 12]
    assert [one.model for one in found.boards[0].standings] == ["fix-1", "assistant", "base"]
    assert found.boards[0].prompts == 7
    controlled = run(TableConfig(battles=tmp_path / "life", length_a="length_a", length_b="length_b"))
    assert [effect.name for effect in controlled.boards[0].effects] == ["longer answer"]


@pytest.mark.parametrize("judge", ["rule:shorter", "compare:world"])
def test_rules_and_prompts_to_learn_from_count_where_nothing_else_does(judge: str, tmp_path: Path) -> None:
    life = tmp_path / "life"
    fought(life, *[("base", "assistant", "model_a", judge, False)] * 5)
    assert run(TableConfig(battles=life)).boards[0].battles == 5
    fought(life, *[("base", "assistant", "model_b", "world", False)] * 4)
    assert run(TableConfig(battles=life)).boards[0].battles == 4
    assert run(TableConfig(battles=life, by=[judge])).boards[0].battles == 5


def test_two_samples_of_one_model_are_no_battle(tmp_path: Path) -> None:
    fought(tmp_path / "life", ("assistant", "assistant", "model_a", "ann", True))
    with pytest.raises(EyasError, match="life holds no battle that can be counted$"):
        run(TableConfig(battles=tmp_path / "life"))


def test_a_life_that_was_never_served_says_so(tmp_path: Path) -> None:
    (tmp_path / "life").mkdir()
    with pytest.raises(EyasError, match="has no store yet"):
        run(TableConfig(battles=tmp_path / "life"))
