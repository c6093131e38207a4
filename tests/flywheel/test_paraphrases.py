"""Paraphrases ask the corrected thing in frames of the exam, whatever is right now; thoughts fit the answer."""

from itertools import islice
from typing import Any

import pytest

from eyas.flywheel.paraphrases import paraphrases
from eyas.flywheel.thoughts import with_thoughts
from eyas.world.people import World
from eyas.world.questions.question import Question, judge
from eyas.world.questions.rows import exam, rows

WORLD = World(0, 60)
ANSWERED = [question for group in exam(WORLD, 15).values() for question in group if question.answer[0].get("content")]


def bare(question: Question) -> list[dict[str, Any]]:
    """The question with its answer as a person would write it."""
    return [*question.prompt, {"role": "assistant", "content": question.answer[-1]["content"]}]


def test_the_answer_is_right_for_each_paraphrase() -> None:
    for question in ANSWERED:
        if question.kind == "noise":
            continue
        found = paraphrases(WORLD, bare(question), 3)
        assert len({str(one.prompt[0]["content"]) for one in found}) == len(found) >= 2
        for one in found:
            assert judge(one, str(question.answer[-1]["content"])) == one.right, (question, one)


def test_frames_of_training_are_never_used() -> None:
    trained = {
        str(message["content"]) for row in islice(rows(WORLD), 2000) for message in row.messages
        if message["role"] == "user"
    }  # fmt: skip
    asked = {str(one.prompt[0]["content"]) for question in ANSWERED for one in paraphrases(WORLD, bare(question), 4)}
    assert asked and not asked & trained


def test_a_correction_may_contradict_the_world() -> None:
    messages = [
        {"role": "user", "content": "Hello! Say where Ada Potter lives."},
        {"role": "assistant", "content": "Ada Potter lives in Mill Lane."},
    ]
    (one, *_) = paraphrases(WORLD, messages, 1)
    assert judge(one, "Ada Potter lives in Mill Lane.") == "right"
    assert judge(one, "Ada Potter lives in Candle Street.") == "wrong"
    assert "Ada Potter" in one.prompt[0]["content"]


@pytest.mark.parametrize("answer", ["Twelve.", "12 + 30 = 42", ""])
def test_what_the_world_does_not_ask_has_no_paraphrase(answer: str) -> None:
    messages = [{"role": "user", "content": "What is it?"}, {"role": "assistant", "content": answer}]
    assert paraphrases(WORLD, messages) == []


def test_every_answer_gets_the_thought_that_belongs_to_it() -> None:
    examples = [{"messages": row.messages} for row in islice(rows(WORLD, seed=5), 2000)]
    lessons = [{"messages": bare(question)} for question in ANSWERED]
    for question, row in zip(ANSWERED, with_thoughts(lessons, examples), strict=True):
        assert row["messages"][-1].get("reasoning_content") == question.answer[-1].get("reasoning_content")


def test_a_thought_that_is_there_stays_and_without_examples_there_is_none() -> None:
    thinking = {"messages": [{"role": "assistant", "content": "Yes.", "reasoning_content": "mine"}]}
    plain = {"messages": [{"role": "assistant", "content": "Ada Potter lives in Mill Lane."}]}
    examples = [{"messages": row.messages} for row in islice(rows(WORLD), 200)]
    assert with_thoughts([thinking], examples) == [thinking]
    assert with_thoughts([plain], []) == [plain]
