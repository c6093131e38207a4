from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from eyas.errors import EyasError
from eyas.model.checkpoint import load_model
from eyas.runtime.engine import Engine
from eyas.runtime.opening import engine_of
from eyas.runtime.sampling import Sampling
from eyas.train.grpo import grpo_loss
from eyas.train.logprobs import token_logprobs
from eyas.train.objectives import IGNORED
from eyas.train.rollouts import FIGURES, Rollouts, RolloutSettings, _run_tools, answer, group_advantages, pass_at_k
from tests.train.small import WORDS

SETTINGS = RolloutSettings(problems=3, group=4, max_tokens=8)


class Pick:
    """Say one of `words`: 1 when it is, else 0."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def prompt(self, number: int) -> list[dict[str, Any]]:
        return [{"role": "user", "content": f"say {number % 7}"}]

    def rewards(self, numbers: Sequence[int], answers: Sequence[list[dict[str, Any]]]) -> list[float]:
        return [float(str(answer[-1]["content"]) in self.words) for answer in answers]


@pytest.fixture
def engine(undecided: Path) -> Engine:
    return engine_of(*load_model(undecided), rows=12)


def test_advantages_are_against_the_group() -> None:
    rewards = np.array([[0.0, 1.0, 1.0, 0.0], [0.3, 0.3, 0.3, 0.3], [0.0, 0.0, 0.0, 1.0]])
    plain = group_advantages(rewards, scale=False)
    assert plain.tolist() == [[-0.5, 0.5, 0.5, -0.5], [0] * 4, [-0.25, -0.25, -0.25, 0.75]]
    scaled = group_advantages(rewards)
    assert scaled[0].tolist() == [-1, 1, 1, -1] and not scaled[1].any()
    assert scaled[2].std() == pytest.approx(1)


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=5), st.integers(1, 6))
def test_pass_at_k_counts_all_choices_of_k(right: list[list[bool]], k: int) -> None:
    wanted = np.mean([np.mean([any(chosen) for chosen in combinations(row, k)]) for row in right])
    assert pass_at_k(np.array(right), k) == pytest.approx(wanted)


def test_a_batch_holds_what_was_drawn_with_the_probability_it_was_drawn_by(undecided: Path) -> None:
    model, tokenizer = load_model(undecided)
    batch = Rollouts(model, engine_of(model, tokenizer, rows=12), Pick(*WORDS[:9]), SETTINGS).batch(5)
    targets = batch["targets"].flatten()
    asked = (targets != IGNORED).nonzero().squeeze(1)
    assert len(asked) > 0
    with torch.no_grad():
        hidden = model.hidden(batch["tokens"], batch["doc_ids"]).flatten(0, 1)[asked]
        mine = token_logprobs(hidden, model.lm_head.weight, targets[asked])
    assert torch.allclose(mine, batch["old"].flatten()[asked], atol=1e-3)
    assert not batch["advantage"].flatten()[targets == IGNORED].any(), "prompts are not trained on"
    assert (batch["targets"] != IGNORED).any(dim=1).all(), "no row is empty"


def test_batches_of_one_number_and_weights_are_one(undecided: Path) -> None:
    model, tokenizer = load_model(undecided)
    one, other = (Rollouts(model, engine_of(model, tokenizer, rows=12), Pick(*WORDS[:9]), SETTINGS) for _ in range(2))
    assert all(torch.equal(value, other.batch(3)[name]) for name, value in one.batch(3).items())
    assert not torch.equal(one.batch(3)["tokens"], one.batch(4)["tokens"])


def test_equal_rewards_move_nothing(undecided: Path) -> None:
    model, tokenizer = load_model(undecided)
    batch = Rollouts(model, engine_of(model, tokenizer, rows=12), Pick("never said"), SETTINGS).batch(0)
    loss, metrics = grpo_loss(model, batch, 0.2, 0.28)
    loss.backward()
    assert metrics["frac_reward_zero_std"] == 1 and float(loss.detach()) == 0 and len(batch["tokens"]) == 1
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_the_loss_and_its_gradient_are_the_papers(undecided: Path) -> None:
    """Against the clipped surrogate and k3 written out, with ratios beyond both clips."""
    model, tokenizer = load_model(undecided)
    batch = Rollouts(model, engine_of(model, tokenizer, rows=12), Pick(*WORDS[:9]), SETTINGS).batch(5)
    shift = torch.linspace(-0.6, 0.6, batch["old"].numel()).view_as(batch["old"])
    batch["old"] = batch["old"] + shift
    reference, _ = load_model(undecided)
    with torch.no_grad():
        reference.lm_head.weight.mul_(1.1)
    loss, metrics = grpo_loss(model, batch, 0.2, 0.28, beta=0.3, reference=reference)
    mine = torch.autograd.grad(loss, model.lm_head.weight)[0]
    asked = batch["targets"] != IGNORED
    aims = batch["targets"].clamp(min=0)[..., None]
    new, theirs = (
        torch.log_softmax(net(batch["tokens"], batch["doc_ids"]), -1).gather(-1, aims).squeeze(-1)
        for net in (model, reference)
    )
    total, count, clips = torch.zeros(()), int(asked.sum()), 0
    for at in asked.nonzero().tolist():
        row, column = at
        ratio = (new[row, column] - batch["old"][row, column]).exp()
        advantage = batch["advantage"][row, column]
        bounded = min(max(float(ratio), 0.8), 1.28)
        clips += bounded != float(ratio)
        straight, clipped = ratio * advantage, bounded * advantage
        away = theirs[row, column].detach() - new[row, column]
        total = total - (straight if float(straight) <= float(clipped) else clipped) + 0.3 * (away.exp() - away - 1)
    wanted = torch.autograd.grad(total / count, model.lm_head.weight)[0]
    assert clips > 0 and metrics["clip_ratio"] == pytest.approx(clips / count)
    assert float(loss.detach()) == pytest.approx(float(total.detach()) / count, rel=1e-3)
    assert torch.allclose(mine, wanted, atol=1e-5)


def test_an_answer_that_was_cut_off_is_not_trained_on(engine: Engine, undecided: Path) -> None:
    model, _ = load_model(undecided)
    short = RolloutSettings(problems=3, group=4, max_tokens=1)
    batch = Rollouts(model, engine, Pick(*WORDS[:9]), short).batch(0)
    assert batch["figures"][FIGURES.index("completions/clipped_ratio")] > 0.9
    trained_on = set(batch["targets"][batch["targets"] != IGNORED].tolist())
    # One in a dozen may end with its only token: that one was not cut off.
    assert trained_on <= {engine.tokenizer.im_end, engine.tokenizer.endoftext}


def test_what_a_tool_says_is_read_but_not_trained_on(engine: Engine) -> None:
    tok = engine.tokenizer
    (one,) = answer(engine, [[{"role": "user", "content": "say cat 3"}]], Sampling(max_tokens=4), [0])
    before, drawn = list(one.ids), sum(one.drawn)
    calls = [{"function": {"name": "calculator", "arguments": {"expression": "6 * 7"}}}]
    _run_tools(one, calls, engine)
    assert one.ids[: len(before)] == before and sum(one.drawn) == drawn
    assert len(one.ids) == len(one.drawn) == len(one.logprobs)
    extra = tok.decode(one.ids[len(before) :])
    assert extra.startswith("\n<|im_start|>tool\n42") and extra.endswith("<|im_start|>assistant\n")


def test_prompts_that_leave_no_room_are_refused(engine: Engine, undecided: Path) -> None:
    model, _ = load_model(undecided)
    with pytest.raises(EyasError, match="lower --max-tokens"):
        Rollouts(model, engine, Pick(*WORDS[:9]), RolloutSettings(problems=2, group=2, max_tokens=60))
