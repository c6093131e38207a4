from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from eyas.errors import EyasError
from eyas.evals.reward_model import RewardModel
from eyas.text.chat import render

Make = Callable[..., Path]


def asked(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def said(text: str, **more: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": text, **more}]


def test_scores_are_the_heads_at_the_end_of_the_turn_whatever_stands_beside(make_judge: Make) -> None:
    judge = RewardModel.open(str(make_judge(val_right=90, val_pairs=100)))
    prompts = [asked("Who is Ada?"), asked("Make 24 from 2, 3, 4."), asked("Who?")]
    answers = [said("Ada Perkins lives in Garden Walk."), said("(2 * 3) * 4"), said("")]
    for prompt, answer, score in zip(prompts, answers, judge.score(prompts, answers), strict=True):
        ids = render(judge.tokenizer, [*prompt, *answer]).ids
        ids = ids[: len(ids) - ids[::-1].index(judge.tokenizer.im_end)]
        with torch.no_grad():
            wanted = judge.model.score(judge.model.hidden(torch.tensor([ids])))[0, -1, 0]
        assert score == pytest.approx(wanted.item(), abs=0.05), "bf16 where the machine has it"


def test_thoughts_are_not_judged(make_judge: Make) -> None:
    judge = RewardModel.open(str(make_judge(val_right=90, val_pairs=100)))
    thinking = said("Garden Walk.", reasoning_content="I will be rewarded")
    first, second = judge.score([asked("Where?")] * 2, [said("Garden Walk."), thinking])
    assert first == second


@pytest.mark.parametrize(
    ("figures", "why"),
    [
        ({}, "the accuracy of .* was never measured"),
        ({"val_right": 0, "val_pairs": 0}, "was never measured"),
        ({"val_right": 55, "val_pairs": 100}, r"not shown to rank better than chance \(55.0%"),
        ({"val_right": 3, "val_pairs": 3}, "not shown to rank better than chance"),
    ],
)
def test_a_judge_that_is_not_shown_to_judge_is_refused(figures: dict[str, int], why: str, make_judge: Make) -> None:
    with pytest.raises(EyasError, match=why):
        RewardModel.open(str(make_judge(**figures)))
