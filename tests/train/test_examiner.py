from itertools import combinations
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch

from eyas.model.checkpoint import load_model
from eyas.runtime.opening import engine_of
from eyas.text.chat import render
from eyas.train.align_config import AlignConfig
from eyas.train.examiner import EXAMINED, Examiner, best_of_n
from tests.train.test_rollouts import Pick

CONFIG = AlignConfig(
    method="grpo", model="x", out=Path("y"), reward=["verify:pick"], group=8, examined=128, max_tokens=8
)


@pytest.fixture
def examiner(undecided: Path) -> Examiner:
    model, tokenizer = load_model(undecided)
    start = engine_of(load_model(undecided)[0], tokenizer)
    return Examiner(engine_of(model, tokenizer), start, Pick("cat", "dog"), Pick("cat").rewards, CONFIG)


def test_a_model_is_at_no_distance_from_itself_and_proxy_is_not_truth(examiner: Examiner) -> None:
    figures, best_of = examiner.start()
    assert figures["kl"] == pytest.approx(0, abs=0.001)
    assert figures["reward"] > figures["true_reward"] == figures["pass@1"] < figures["pass@k"]
    assert best_of[0]["reward"] == pytest.approx(figures["reward"])
    assert best_of[-1]["n"] == 8 and best_of[-1]["reward"] > figures["reward"]


def test_the_divergence_is_that_of_the_distributions(examiner: Examiner, undecided: Path) -> None:
    model, tokenizer = load_model(undecided)
    prompt = torch.tensor([render(tokenizer, Pick().prompt(EXAMINED), add_generation_prompt=True).ids])
    with torch.no_grad():
        before = torch.log_softmax(model(prompt)[0, -1], -1)
        model.lm_head.weight.mul_(1.6)
        after = torch.log_softmax(model(prompt)[0, -1], -1)
    wanted = float((after.exp() * (after - before)).sum())  # of the word; the end that follows is nearly certain
    found = examiner.validate(model)["val_kl"]
    assert wanted > 0.05 and found == pytest.approx(wanted, rel=0.3)


def test_without_a_truth_none_is_told(examiner: Examiner) -> None:
    blind = Examiner(examiner.engine, examiner.reference, examiner.problems, None, CONFIG)
    figures, best_of = blind.start()
    assert best_of == [] and "pass@1" not in figures and "true_reward" not in figures


def test_best_of_n_is_the_mean_over_all_choices() -> None:
    random = np.random.default_rng(0)
    rewards, truth = random.random((5, 6)), random.random((5, 6))
    for row in best_of_n(rewards, truth):
        n = int(row["n"])
        tries = [(one, list(some)) for one in range(5) for some in combinations(range(6), n)]
        chosen = [(one, some[int(rewards[one, some].argmax())]) for one, some in tries]
        assert row["reward"] == pytest.approx(np.mean([rewards[one] for one in chosen]))
        assert row["true_reward"] == pytest.approx(np.mean([truth[one] for one in chosen]))
        assert row["kl"] == pytest.approx(log(n) - (n - 1) / n)
