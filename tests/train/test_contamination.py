"""No correction of what an examination asks is learnt from; a correction of something alike is."""

import json
from itertools import chain, islice
from pathlib import Path

import pytest

from eyas.data.documents import Tally
from eyas.errors import EyasError
from eyas.train.contamination import (
    EXAM,
    Contamination,
    EvaluationSet,
    evaluation_sets,
    unexamined,
    user_texts,
    words,
)
from eyas.world.people import World
from eyas.world.questions.rows import exam, rows
from tests.flywheel.labelled import model

LONG = "Please tell me on which days of the week the small ferry to the northern island goes in winter"  # 19 words


def asked(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text} for text in texts]


def one(*questions: str) -> Contamination:
    return Contamination([EvaluationSet("a test", [[question] for question in questions])])


def test_every_question_of_the_exam_is_refused_and_no_question_of_the_training_rows() -> None:
    world = World(0, 40)
    questions = [user_texts(question.prompt) for question in chain(*exam(world, 100).values())]
    contaminated = Contamination([EvaluationSet(EXAM, questions)])
    assert len(questions) > 800
    assert all(contaminated(asked(*question)) == EXAM for question in questions)
    assert all(contaminated(asked(question[0].upper().replace("?", " ... "))) for question in questions)
    trained = [row.messages for row in islice(rows(world), 2000)]
    assert [user_texts(messages) for messages in trained if contaminated(messages)] == []


def test_a_question_is_met_within_politeness_and_in_a_later_turn() -> None:
    contaminated = one("Which street does Ada Potter live in?", "Who are you?")
    assert contaminated(asked("Good morning! Which street does Ada Potter live in, please?"))
    assert contaminated(asked("Hello.", "which street does ada potter live in"))
    assert contaminated(asked("Hello.", "Who are you"))
    assert not contaminated(asked("Which street does Ada Stone live in?"))
    assert not contaminated(asked("In which street does Ada Potter live?"))


def test_a_short_question_is_met_only_alone() -> None:
    contaminated = one("Who are you?")
    assert contaminated(asked("  who are YOU?? "))
    assert not contaminated(asked("Who are you looking for?", "Where are they?"))


def test_of_a_long_question_thirteen_words_in_a_row_are_enough_and_twelve_are_not() -> None:
    contaminated = one(LONG)
    text = LONG.split()
    assert contaminated(asked("I ask: " + " ".join(text[3:16]) + " and when?"))
    assert not contaminated(asked("I ask: " + " ".join(text[3:15]) + " and when?"))


def test_signs_that_carry_meaning_are_compared_and_punctuation_is_not() -> None:
    assert words("What’s '5' - 3?") == ("what’s", "5", "-", "3")
    contaminated = one("What is 5 - 3?")
    assert contaminated(asked("what is 5 - 3"))
    assert not contaminated(asked("What is 5 + 3?"))


def test_answers_and_system_prompts_are_not_compared() -> None:
    contaminated = one(LONG)
    talk = [{"role": "system", "content": LONG}, *asked("When?"), {"role": "assistant", "content": LONG}]
    assert contaminated(talk) is None
    assert contaminated([{"role": "system", "content": LONG}]) is None


def test_a_life_of_the_world_has_its_exam_and_its_files_of_evaluation(tmp_path: Path) -> None:
    model(tmp_path, "base", "pretrain", data=["world"], seed=0, people=20)
    assert evaluation_sets(tmp_path) == []
    model(tmp_path, "assistant", "finetune", "base", data=["world"], seed=0, people=20, val_fraction=0.02)
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals/ferry.jsonl").write_text(
        json.dumps({"prompt": "When does the ferry go?", "completion": "At nine."}) + "\n"
        + json.dumps({"messages": [*asked("And who steers it?"), {"role": "assistant", "content": "Ada."}]}) + "\n"
        + json.dumps({"text": LONG}) + "\n"
    )  # fmt: skip
    world, ferry = evaluation_sets(tmp_path)
    assert world.name == EXAM
    assert {question[0] for question in world.questions} >= {
        q.prompt[0]["content"] for q in exam(World(0, 20), 5)["fact B"]
    }
    assert ferry == EvaluationSet("evals/ferry.jsonl", [["When does the ferry go?"], ["And who steers it?"], [LONG]])


def test_rows_that_are_examined_are_left_out_and_counted(tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals/ferry.jsonl").write_text(json.dumps({"text": LONG}) + "\n")
    found = [{"prompt": asked(text), "chosen": [], "rejected": []} for text in (LONG, f"Hello. {LONG}?", "When?")]
    tally = Tally()
    assert unexamined(tmp_path, found, tally) == found[2:]
    assert tally.counts == {"in evals/ferry.jsonl": 2}
    with pytest.raises(EyasError, match="an examination asks all that people spoke of"):
        unexamined(tmp_path, found[:2], tally)


def test_an_unreadable_file_of_evaluation_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals/broken.jsonl").write_text('{"prompt": ')
    with pytest.raises(EyasError, match="broken.jsonl"):
        evaluation_sets(tmp_path)


def test_rows_that_a_finetuning_held_out_are_an_evaluation_set(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"Question {i}?", "completion": "Yes."}) + "\n" for i in range(20)))
    life = tmp_path / "life"
    model(life, "assistant", "finetune", data=[str(file)], seed=0, val_fraction=0.1)
    (held,) = evaluation_sets(life)
    assert held == EvaluationSet("rows held out from assistant", [["Question 5?"], ["Question 15?"]])
    file.unlink()
    assert evaluation_sets(life) == []
