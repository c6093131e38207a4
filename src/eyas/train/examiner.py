"""What a model that is trained on rewards comes to on problems kept apart: proxy, truth, and how far it has moved."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb, log
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from eyas.model.transformer import Transformer
from eyas.runtime.engine import Engine
from eyas.runtime.sampling import Sampling
from eyas.train.align_config import AlignConfig
from eyas.train.rollouts import Problems, Rollout, answer, pass_at_k

EXAMINED = 1 << 40
"""Problems from this number on are never trained on."""

Check = Callable[[Sequence[int], Sequence[list[dict[str, Any]]]], list[float]]
"""How good answers to problems truly are, as a program finds: from 0 to 1, which is right."""

Figures = dict[str, float]


@dataclass(frozen=True)
class Examiner:
    """Asks the same problems at any time, each `config.group` times and drawn as in training.

    Its figures: `reward`, and `reward_std` within a problem's answers; `true_reward` with its standard error
    `true_reward_se`, `pass@1` and `pass@k` (k is the group) where `truth` is known; `kl` from `reference` in
    nats an answer and `entropy` in nats a token, both estimated from what was drawn; `length` in tokens.
    """

    engine: Engine
    reference: Engine
    problems: Problems
    truth: Check | None
    config: AlignConfig

    def start(self) -> tuple[Figures, list[Figures]]:
        """The figures before training, and `best_of_n` of these answers where the truth is known."""
        figures, rewards, truth = self._examine()
        return figures, [] if truth is None else best_of_n(rewards, truth)

    def validate(self, model: nn.Module) -> Figures:
        """The figures of `model`, each under `val_`; the engine has its weights from then on."""
        self.engine.set_weights(cast(Transformer, model))
        return {f"val_{name}": value for name, value in self._examine()[0].items()}

    def examples(self, count: int) -> list[dict[str, str]]:
        """Greedy answers by the weights that the engine has, to be read beside the figures."""
        prompts = [self.problems.prompt(EXAMINED + place) for place in range(count)]
        sampling = Sampling(max_tokens=self.config.max_tokens, temperature=0)
        said = answer(self.engine, prompts, sampling, [0] * count)
        return [
            {"question": str(prompt[-1]["content"]), "answer": str(one.messages[-1]["content"])}
            for prompt, one in zip(prompts, said, strict=True)
        ]

    def _examine(self) -> tuple[Figures, NDArray[np.float64], NDArray[np.float64] | None]:
        """Figures, and the rewards and truths of all answers, both (problems, answers)."""
        c = self.config
        numbers = [EXAMINED + place for place in range(c.examined) for _ in range(c.group)]
        sampling = Sampling(max_tokens=c.max_tokens, temperature=c.temperature)
        seeds = [(c.seed << 40) + (1 << 39) + place for place in range(len(numbers))]
        said = answer(self.engine, [self.problems.prompt(number) for number in numbers], sampling, seeds)
        answers = [one.messages for one in said]
        rewards = np.array(self.problems.rewards(numbers, answers), dtype=np.float64).reshape(-1, c.group)
        surprise = -np.array([sum(one.logprobs) for one in said])
        lengths = np.array([sum(one.drawn) for one in said])
        figures = {
            "reward": float(rewards.mean()), "reward_std": float(rewards.std(axis=1).mean()),
            "kl": float(np.mean(self._reference_surprise(said) - surprise)),
            "entropy": float(surprise.sum() / max(1, lengths.sum())), "length": float(lengths.mean()),
        }  # fmt: skip
        if self.truth is None:
            return figures, rewards, None
        truth = np.array(self.truth(numbers, answers), dtype=np.float64).reshape(-1, c.group)
        figures |= {
            "true_reward": float(truth.mean()),
            "true_reward_se": float(truth.mean(axis=1).std(ddof=1) / len(truth) ** 0.5),
            "pass@1": pass_at_k(truth >= 1, 1), "pass@k": pass_at_k(truth >= 1, c.group),
        }  # fmt: skip
        return figures, rewards, truth

    def _reference_surprise(self, said: Sequence[Rollout]) -> NDArray[np.float64]:
        """-log P_reference in nats of what was drawn in each answer, (answers,)."""
        scores = self.reference.logprobs([one.ids for one in said])
        return -np.array([float(found[one.drawn[1:]].sum()) for found, one in zip(scores, said, strict=True)])


def best_of_n(rewards: NDArray[np.float64], truth: NDArray[np.float64]) -> list[Figures]:
    """What the best rewarded of n answers would come to, for n = 1, 2, 4 ... of the answers there are.

    rewards, truth (problems, answers). Means over all choices of n answers (Nakano et al. 2021, arXiv 2112.09332,
    appendix I), at the divergence log n - (n - 1) / n (Gao et al. 2022, arXiv 2210.10760).
    """
    count = rewards.shape[1]
    order = np.argsort(rewards, axis=1, kind="stable")
    found = []
    for n in (1 << power for power in range(count.bit_length())):
        chance = np.array([comb(place, n - 1) / comb(count, n) for place in range(count)])  # of being the best of n
        best = [float((np.take_along_axis(one, order, axis=1) @ chance).mean()) for one in (rewards, truth)]
        found.append({"n": n, "kl": log(n) - (n - 1) / n, "reward": best[0], "true_reward": best[1]})
    return found
