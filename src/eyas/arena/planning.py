"""What to do next: how many battles would part two models, and which pair is worth the next battle."""

import math
from dataclasses import dataclass

import numpy as np

from eyas.arena.battles import Floats
from eyas.arena.scale import Z95

Z_POWER = 0.841621
"""Standard deviations above which a normal variable lies in 80 % of all cases."""


def information(gap: float, tie_share: float, log_tie: float | None) -> float:
    """What one battle between two models tells about their `gap` (natural-log units): 1 / variance of an estimate.

    Half ties: (p (1 - p))^2 over the variance of the score, which ties make smaller (`tie_share` of all battles).
    Davidson: the Fisher information at the fitted nu (`log_tie`).
    """
    if log_tie is None:
        p = 1 / (1 + math.exp(-gap))
        slope = p * (1 - p)
        return slope * slope / max(slope - tie_share / 4, slope * slope, 1e-12)
    logits = np.array([gap / 2, -gap / 2, log_tie])
    a, b, _ = np.exp(logits - np.logaddexp.reduce(logits))
    return float(a + b - (a - b) ** 2) / 4


def battles_needed(gap: float, variance: float, per_battle: float) -> int | None:
    """Battles still to fight between two models until their gap is told from zero, if it is what it seems.

    `gap` and `variance` as estimated so far (natural-log units), `per_battle` from `information`. After them the 95 %
    interval of the gap leaves out zero with a probability of 80 %. 0 when it does so already, None for a gap of zero.
    """
    if abs(gap) > Z95 * math.sqrt(variance):
        return 0
    if gap == 0 or per_battle <= 0:
        return None
    wanted = ((Z95 + Z_POWER) / gap) ** 2
    return max(1, math.ceil((wanted - 1 / variance) / per_battle)) if variance > 0 else 1


@dataclass(frozen=True)
class NextPair:
    """Two models that should meet, and by which share their battle should shrink the doubt about the order."""

    a: int
    b: int
    gain: float


def next_pairs(theta: Floats, covariance: Floats, count: int = 3) -> list[NextPair]:
    """The `count` pairs whose next battle tells most about the order of all models.

    `theta` (k,) and its `covariance` (k, k) as believed so far, natural-log units. A battle between i and j adds the
    information p (1 - p) along theta_i - theta_j; its worth is by how much it shrinks the variance of every gap, each
    gap weighted by how open its sign is (4 q (1 - q), q the probability that one model is the better one).
    """
    k = len(theta)
    gap = theta[:, None] - theta[None, :]
    spread = np.diag(covariance)
    variance = np.maximum(spread[:, None] + spread[None, :] - 2 * covariance, 1e-15)
    q = _normal(gap / np.sqrt(variance))
    doubt = np.triu(4 * q * (1 - q), 1)
    total = float((doubt * variance).sum())
    found = []
    for i in range(k):
        for j in range(i + 1, k):
            along = covariance[:, i] - covariance[:, j]
            shared = (along[:, None] - along[None, :]) ** 2
            p = 1 / (1 + math.exp(-float(gap[i, j])))
            told = p * (1 - p)
            shrink = float((doubt * shared).sum()) * told / (1 + told * float(variance[i, j]))
            found.append(NextPair(i, j, shrink / total if total > 0 else 0.0))
    return sorted(found, key=lambda one: (-one.gain, one.a, one.b))[:count]


def _normal(z: Floats) -> Floats:
    """Distribution function of the standard normal."""
    return np.asarray(np.vectorize(lambda one: 0.5 * math.erfc(-one / math.sqrt(2)), otypes=[np.float64])(z))
