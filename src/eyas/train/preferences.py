"""What training on preferences minimises: pure functions of log-probabilities or scores, (P,) for P pairs, in nats.

`chosen` and `rejected` are sums over the answer's tokens by the model that is trained, `reference_*` by the model it
started from. A reward is beta times how much likelier an answer has become.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Literal["sigmoid", "ipo"]


@dataclass(frozen=True)
class Answers:
    """The log-probabilities (P,) of P answers, by the model and its reference, and their lengths in tokens (P,)."""

    logprobs: Tensor
    reference: Tensor
    lengths: Tensor

    def gain(self, per_token: bool = False) -> Tensor:
        """log P / P_reference of each answer, or of its average token."""
        gain = self.logprobs - self.reference
        return gain / self.lengths if per_token else gain


def dpo(chosen: Answers, rejected: Answers, beta: float, loss: Loss = "sigmoid", per_token: bool = False) -> Tensor:
    """Direct preference optimisation, (P,) losses (Rafailov et al. 2023, https://arxiv.org/abs/2305.18290, eq. 7).

    `ipo` draws the difference towards 1 / (2 beta) instead of infinity (Azar et al. 2023, arXiv 2310.12036, eq. 17),
    here of average tokens as TRL has it. `per_token` is the length-normalised DPO of Tulu 3 (arXiv 2411.15124, eq. 6).
    """
    if loss == "ipo":
        return (chosen.gain(True) - rejected.gain(True) - 1 / (2 * beta)) ** 2
    return -F.logsigmoid(beta * (chosen.gain(per_token) - rejected.gain(per_token)))


def kto(answers: Answers, other: Answers, wanted: Tensor, beta: float) -> Tensor:
    """Kahneman-Tversky optimisation, (P,) losses (Ethayarajh et al. 2024, https://arxiv.org/abs/2402.01306, eq. 8).

    `wanted` (P,) bool: a thumb up. `other` are answers to other prompts: their mean gain, zero at least, estimates how
    far the model has drifted, and is the point from which gains and losses are felt.
    """
    drift = other.gain().mean().clamp(min=0).detach()
    felt = beta * (answers.gain() - drift)
    return 1 - torch.sigmoid(torch.where(wanted, felt, -felt))


def bradley_terry(chosen: Tensor, rejected: Tensor, centring: float = 0.0) -> Tensor:
    """-log P(chosen beats rejected) of scores (P,), plus `centring` times the square of their sum.

    The second term fixes the free constant of the scores near zero (Eisenstein et al. 2023, arXiv 2312.09244).
    """
    return -F.logsigmoid(chosen - rejected) + centring * (chosen + rejected) ** 2
