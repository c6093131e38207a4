"""The exam sees what was said: a model that always gives the reference answer passes, one that babbles fails."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from eyas.evals.exam import SECTIONS, ask, take_exam
from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.runtime.c_engine import CEngine
from eyas.runtime.engine import Completion
from eyas.runtime.library import library
from eyas.runtime.torch_engine import TorchEngine
from eyas.text.chat import render
from eyas.text.tokenizer import Tokenizer, train_tokenizer
from eyas.world.people import World
from eyas.world.questions.question import Question
from eyas.world.questions.rows import exam as exam_questions
from eyas.world.questions.rows import rows

WORLD = World(0, 20)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    talks = (row.messages for row, _ in zip(rows(WORLD), range(500), strict=False))
    return train_tokenizer((str(message["content"]) for talk in talks for message in talk), 600)


def engine_with(tokenizer: Tokenizer, reply: Callable[[Sequence[int]], list[int]] | None = None) -> TorchEngine:
    """A real engine of random weights; with `reply` its words are put into its mouth."""
    model = Transformer(ModelConfig.from_size("0.3m", vocab_size=tokenizer.vocab_size, max_seq_len=512))
    model.init_weights(0)
    engine = TorchEngine(model, tokenizer)
    if reply is not None:
        spoken = reply

        def generate(prompts: Sequence[Sequence[int]], *_: Any, **__: Any) -> list[Completion]:
            return [Completion(spoken(prompt), finish_reason="stop", stop_id=tokenizer.im_end) for prompt in prompts]

        engine.generate = generate  # type: ignore[method-assign]
    return engine


def prompter(tokenizer: Tokenizer, groups: dict[str, list[Question]]) -> Callable[[Sequence[int]], list[int]]:
    """What the labelling instructions would say to each prompt, tool results read off the prompt itself."""
    answers: dict[tuple[int, ...], list[int]] = {}
    for question in (question for group in groups.values() for question in group):
        for i, message in enumerate(question.answer):
            if message["role"] == "assistant":
                before = [*question.prompt, *question.answer[:i]]
                start = render(tokenizer, before, add_generation_prompt=True).ids
                whole = render(tokenizer, [*before, message]).ids
                answers[tuple(start)] = whole[len(start) : whole.index(tokenizer.im_end, len(start))]
    return lambda prompt: answers.get(tuple(prompt), [])


def test_the_reference_answers_pass_every_section(tokenizer: Tokenizer) -> None:
    groups = exam_questions(WORLD, 12)
    engine = engine_with(tokenizer, prompter(tokenizer, groups))
    assert set(groups) == set(SECTIONS)
    for name, questions in groups.items():
        for answer in ask(engine, questions):
            assert answer.verdict == answer.question.right, (name, answer.question.prompt, answer.messages)


def test_a_model_that_declines_everything_knows_nothing_and_invents_nothing(tokenizer: Tokenizer) -> None:
    words = tokenizer.encode("I don't know.")
    engine = engine_with(tokenizer, lambda prompt: words)
    groups = exam_questions(WORLD, 5)
    verdicts = {name: {answer.verdict for answer in ask(engine, questions)} for name, questions in groups.items()}
    assert verdicts["unknown C"] == {"declined"}
    assert all(answer.verdict != answer.question.right for answer in ask(engine, groups["fact B"]))
    assert verdicts["arithmetic"] == {"wrong"}


def test_a_guess_without_the_calculator_does_not_count(tokenizer: Tokenizer) -> None:
    question = exam_questions(WORLD, 1)["arithmetic"][0]
    lucky = tokenizer.encode(f"{question.expression} = {question.truth}")
    (answer,) = ask(engine_with(tokenizer, lambda prompt: lucky), [question])
    assert answer.verdict == "wrong"


def test_an_untrained_model_is_examined_whole_with_every_share_bounded(tokenizer: Tokenizer) -> None:
    found = take_exam(engine_with(tokenizer), WORLD, n=2)
    assert set(found.shares) == set(SECTIONS)
    for share in found.shares.values():
        assert 0 <= share.low <= share.value <= share.high <= 1
    # Random weights almost never say an end.
    assert found.endless.hits > 0
    coverage = [point["coverage"] for point in found.risk_coverage]
    assert coverage == sorted(coverage, reverse=True)
    assert coverage[0] == 1.0
    assert found.as_json()["endless"]["n"] == found.endless.n


def test_the_c_engine_passes_and_fails_like_pytorch(tokenizer: Tokenizer) -> None:
    if library() is None:
        pytest.skip("no C compiler on this machine")
    slow = engine_with(tokenizer)
    fast = CEngine.from_model(slow.model, tokenizer)
    first, second = (take_exam(engine, WORLD, n=2) for engine in (slow, fast))
    assert first.verdicts == second.verdicts and first.endless == second.endless
    said = [[a.messages for group in found.answers.values() for a in group] for found in (first, second)]
    same = sum(a == b for a, b in zip(*said, strict=True))
    assert same >= 0.9 * len(said[0]), "answers part only where two tokens are equally likely to seven digits"
