import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from eyas.errors import EyasError
from eyas.evals.problems import TASKS, Verified
from eyas.evals.rewards import OpenEnded, Rewarded, rewards_of
from eyas.train.align_config import AlignConfig
from eyas.train.examiner import EXAMINED
from eyas.world.open_ended import grade, open_questions
from eyas.world.people import World

Make = Callable[..., Path]


def said(*texts: str) -> list[list[dict[str, Any]]]:
    return [[{"role": "assistant", "content": text}] for text in texts]


class Longer:
    """A stand-in for a reward model, with scores that can be told by eye."""

    def score(self, prompts: Sequence[Any], answers: Sequence[Any]) -> list[float]:
        return [float(len(answer[-1]["content"])) for answer in answers]


def test_tasks_take_turns_and_judges_add_their_weight() -> None:
    sources = [Verified(["verify:arithmetic"]), Verified(["verify:countdown"])]
    right = said(TASKS["arithmetic"].problem(0).answer, TASKS["countdown"].problem(1).answer)
    both = Rewarded(sources, [True, False], [(Longer(), 0.5)])  # type: ignore[list-item]
    assert both.prompt(0)[0]["content"].startswith("In your head") and both.prompt(1)[0]["content"].startswith("Make")
    assert both.truth([0, 1], right) == [1, 1]
    lengths = [len(one[0]["content"]) for one in right]
    assert both.rewards([0, 1], right) == [1 + 0.5 * lengths[0], 0.5 * lengths[1]]


def test_open_questions_of_the_exam_are_never_trained_on() -> None:
    world = World(0, 60)
    problems = OpenEnded(world, seed=0)
    trained = {problems.prompt(number)[0]["content"] for number in range(3000)}
    kept = [problems.prompt(EXAMINED + place)[0]["content"] for place in range(64)]
    assert len(set(kept)) == 64 and not trained & set(kept)
    (question,) = (one for one in open_questions(world, 512, "exam") if one.prompt[0]["content"] == kept[3])
    text = f"{question.about} lives in Mill Lane."
    assert problems.rewards([EXAMINED + 3], said(text)) == [grade(world, question, text).score]


def test_prompts_of_a_file_are_held_out_and_rewarded_by_the_judge_alone(make_judge: Make, tmp_path: Path) -> None:
    judge = make_judge(val_right=90, val_pairs=100)
    rows: list[dict[str, Any]] = [{"prompt": f"Who is number {n}?"} for n in range(19)]
    rows.append({"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}]})
    data = tmp_path / "prompts.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = AlignConfig(
        method="grpo", model=str(judge), out=tmp_path / "new", data=[str(data)], reward=[f"{judge}:2"], max_tokens=32
    )
    problems, truth = rewards_of(config)
    asked = [str(problems.prompt(number)) for number in range(18)]
    kept = [str(problems.prompt(EXAMINED + place)) for place in range(2)]
    assert truth is None and len(set(asked)) == 18 and len(set(kept)) == 2 and not set(asked) & set(kept)
    assert "'Who?'" in "".join(asked) and "Me." not in "".join(asked)
    once = config.model_copy(update={"reward": [str(judge)]})
    (double,), (single,) = (found.rewards([0], said("Me.")) for found in (problems, rewards_of(once)[0]))
    assert double == 2 * single != 0


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"truth": ["judge"], "reward": ["verify:countdown"]}, "--truth judge: only a program knows the truth"),
        ({"data": ["x.jsonl"], "reward": ["verify:countdown"]}, "verify:countdown brings its own problems"),
        ({"reward": ["judge"]}, "a reward model alone brings no prompts; give some with --data"),
        ({"reward": ["verify:world"]}, "was not pretrained on the world"),
        ({"reward": ["verify:chess"]}, "there is no such task"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], why: str, make_judge: Make, tmp_path: Path) -> None:
    with pytest.raises(EyasError, match=why):
        rewards_of(AlignConfig(method="grpo", model=str(make_judge()), out=tmp_path / "new", **settings))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"text": "No question."}, "a text row has no prompt"),
        ({"prompt": "long " * 200}, "leave no room for an answer"),
    ],
)
def test_rows_without_a_usable_prompt_are_refused_or_left_out(
    row: dict[str, Any], why: str, make_judge: Make, tmp_path: Path
) -> None:
    judge = str(make_judge(val_right=90, val_pairs=100))
    data = tmp_path / "prompts.jsonl"
    data.write_text("".join(json.dumps(one) + "\n" for one in ({"prompt": "One?"}, row, {"prompt": "Two?"})))
    settings: dict[str, Any] = {"model": judge, "out": tmp_path / "new", "data": [str(data)], "reward": [judge]}
    with pytest.raises(EyasError, match=why):
        rewards_of(AlignConfig(method="grpo", **settings))
    problems, _ = rewards_of(AlignConfig(method="grpo", skip_bad=True, **settings))
    assert [str(problems.prompt(at)[0]["content"]) for at in (EXAMINED, 0)] == ["One?", "Two?"]
