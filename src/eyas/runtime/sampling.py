"""From logits to the next token: greedy, temperature, top-k, top-p, min-p; each row draws from a stream of its own."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eyas.errors import EyasError


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens. Temperature 0 is greedy; the filters apply in the order of the fields, as elsewhere."""

    max_tokens: int = 256
    temperature: float = 1.0
    top_k: int = 0  # 0: all
    top_p: float = 1.0  # keep the likeliest tokens that together hold this probability
    min_p: float = 0.0  # drop tokens below this share of the likeliest one's probability
    seed: int = 0

    def __post_init__(self) -> None:
        for name, good, want in (
            ("max-tokens", self.max_tokens >= 1, "at least 1"),
            ("temperature", 0 <= self.temperature < math.inf, "0 (greedy) or more"),
            ("top-k", self.top_k >= 0, "0 (all) or more"),
            ("top-p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("min-p", 0 <= self.min_p <= 1, "between 0 and 1"),
        ):
            if not good:
                raise EyasError(f"--{name} must be {want}, not {getattr(self, name.replace('-', '_'))}")


def uniforms(seed: int, row: int, count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) that depend on (seed, row) alone: a row's draws do not know its neighbours."""
    # Philox is keyed, so streams of neighbouring rows are independent by construction (Salmon et al. 2011)
    key = np.array([seed % 2**64, row], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """logits (B, V) -> the distribution (B, V) that is drawn from, in fp32; temperature 0 puts all on the likeliest."""
    if sampling.temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    scaled = logits.float() / sampling.temperature
    if 0 < sampling.top_k < scaled.shape[-1]:
        least = scaled.topk(sampling.top_k).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, -math.inf)
    if sampling.top_p < 1:
        ranked, order = scaled.softmax(-1).sort(descending=True, stable=True)
        before = ranked.cumsum(-1) - ranked  # what likelier tokens hold already; the likeliest always stays
        drop = torch.zeros_like(before, dtype=torch.bool).scatter_(1, order, before >= sampling.top_p)
        scaled = scaled.masked_fill(drop, -math.inf)
    if sampling.min_p > 0:
        least = scaled.max(-1, keepdim=True).values + math.log(sampling.min_p)
        scaled = scaled.masked_fill(scaled < least, -math.inf)
    return scaled.softmax(-1)


def pick(logits: Tensor, sampling: Sampling, draws: Tensor) -> Tensor:
    """One token a row: logits (B, V), draws (B,) in [0, 1) -> ids (B,), by inverting the cumulative distribution."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    cumulative = probabilities(logits, sampling).cumsum(-1, dtype=torch.float64)
    targets = draws.to(cumulative)[:, None] * cumulative[:, -1:]
    # strictly above the target, so that a token of probability 0 is never hit, not even by a draw of 0
    return (cumulative <= targets).sum(-1).clamp_(max=logits.shape[-1] - 1)
