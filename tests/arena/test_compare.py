"""`eyas compare`: models answer in pairs, judges judge, verdicts are kept and become rows."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eyas.arena.compare import CompareConfig, CompareResult, run
from eyas.data.rows import read_rows
from eyas.errors import EyasError
from eyas.store.conversations import record
from eyas.store.database import open_store
from eyas.store.tables import Comparison
from tests.runtime.endpoint import endpoint
from tests.store.turns import turn

QUICK: dict[str, Any] = {"max_tokens": 8, "quiet": True}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"Who is {n}?"}) + "\n" for n in range(12)))
    return path


def stored(life: Path) -> list[Comparison]:
    store = open_store(life)
    with store.session() as session:
        found = list(session.scalars(select(Comparison).order_by(Comparison.id)))
    store.close()
    return found


def test_verdicts_are_kept_and_what_most_judges_decide_becomes_a_row(
    life: Path, questions: Path, tmp_path: Path
) -> None:
    def compare(**given: Any) -> CompareResult:
        judges = ["rule:shorter", "rule:answers"]
        settings = {"models": ["ada", "bob"], "prompts": str(questions), "judge": judges}
        return run(CompareConfig(life=life, **QUICK | settings | given))

    first = compare(judge=["rule:shorter"], out=tmp_path / "pairs.jsonl")
    (one,) = first.judges
    decided = sum(one.wins.values())
    assert first.pairs == 12 and decided + one.ties == 12 and decided and first.rows == decided
    kept = stored(life)
    assert len(kept) == 12 and {(row.model_a, row.model_b, row.judge) for row in kept} == {
        ("ada", "bob", "compare:rule:shorter")
    }
    for row in read_rows(tmp_path / "pairs.jsonl", want="pair"):
        assert len(row["chosen"][0]["content"].strip()) < len(row["rejected"][0]["content"].strip())
    with pytest.raises(EyasError, match="exists already"):
        compare(out=tmp_path / "pairs.jsonl")
    # random weights neither decline nor refuse: the second judge calls all a tie, and no answer has most judges
    second = compare(out=tmp_path / "both.jsonl")
    assert second.judges[0] == one and second.judges[1].ties == 12
    assert second.rows == 0 and len(stored(life)) == 24
    (agreed,) = second.agreements
    assert (agreed.one, agreed.other, agreed.agreement.pairs) == ("rule:shorter", "rule:answers", 12 - second.same)


def test_what_is_in_the_store_is_not_asked_again(life: Path, questions: Path) -> None:
    with endpoint() as there:
        config = CompareConfig(
            life=life, models=["ada"], prompts=str(questions), judge=[f"{there.url}#big"], n=3, **QUICK
        )
        there.says = ["[[C]]"] * 6
        first = run(config)
        heard = len(there.heard)
        assert heard == 2 * (3 - first.same) > 0 and first.models == ["ada"]
        again = run(config)
        assert len(there.heard) == heard and again.judges == first.judges
        there.says = ["what?"] * 100
        more = run(config.model_copy(update={"n": 5}))
        assert more.judges[0].unreadable == 2 and len(stored(life)) == 3


def test_one_model_that_answers_greedily_says_everything_twice(life: Path, questions: Path) -> None:
    with endpoint() as there:
        found = run(
            CompareConfig(
                life=life, models=["ada"], prompts=str(questions), judge=[f"{there.url}#big"], temperature=0, **QUICK
            )
        )
        assert found.same == found.judges[0].ties == 12 and there.heard == [] and found.agreements == []


def test_judges_are_asked_about_what_people_voted_on(life: Path, questions: Path) -> None:
    store = open_store(life)
    with store.session() as session:
        for n in range(4):
            ids = [record(session, turn(f"Q{n}?", said, user=f"{n} {said}")).message_id for said in ("no", "nonsense")]
            asked = [{"role": "user", "content": f"Q{n}?"}]
            session.add(
                Comparison(
                    prompt=asked, answer_a="no", answer_b="nonsense", model_a="ada", model_b="bob",
                    winner="model_a" if n else "model_b", judge="Ann", message_a=ids[0], message_b=ids[1],
                )
            )  # fmt: skip
    store.close()
    found = run(
        CompareConfig(life=life, models=["ada", "bob"], prompts=str(questions), judge=["rule:shorter"], n=2, **QUICK)
    )
    (agreed,) = found.agreements
    assert found.votes == 4 and (agreed.one, agreed.other) == ("rule:shorter", "people")
    assert agreed.agreement.pairs == 4 and agreed.agreement.share == 0.75
    assert (agreed.decided.hits, agreed.decided.n) == (3, 4)


def test_every_two_of_three_models_meet_on_prompts_of_the_world(life: Path) -> None:
    found = run(CompareConfig(life=life, models=["ada", "bob", "cy"], judge=["world"], n=9, **QUICK))
    assert found.pairs == 9 and found.judges[0].both_bad + found.judges[0].ties == 9
    met = {(row.model_a, row.model_b) for row in stored(life)}
    assert met == {("ada", "bob"), ("ada", "cy"), ("bob", "cy")}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"prompts": "exam"}, "would make the exam's questions rows to learn from"),
        ({"judge": ["world"]}, "--judge world knows answers to the world's own prompts only"),
        ({"models": ["zoe"]}, "there is no model zoe"),
        ({"models": ["taste"]}, "is a reward model: it scores answers"),
        ({"models": []}, "has no champion"),
        ({"out": Path("pairs.csv")}, "--out pairs.csv must end in .jsonl"),
    ],
)
def test_what_cannot_be_compared_is_told(given: dict[str, Any], why: str, life: Path, questions: Path) -> None:
    settings = {"models": ["ada"], "prompts": str(questions), "judge": ["rule:shorter"]}
    with pytest.raises(EyasError, match=why):
        run(CompareConfig(life=life, **QUICK | settings | given))
