"""How the next token is chosen: greedy, temperature, top-k, top-p, min-p; each row draws from a stream of its own."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    repetition_penalty: float = 1.0  # above 1: what prompt and answer hold already is made less likely, before all else
    frequency_penalty: float = 0.0  # taken from a token's logit for each time the answer holds it
    presence_penalty: float = 0.0  # taken once from the logits of what the answer holds
    logit_bias: tuple[tuple[int, float], ...] = ()  # (id, what is added to its logit), each id once

    def __post_init__(self) -> None:
        for name, good, want in (
            ("max-tokens", self.max_tokens >= 1, "at least 1"),
            ("temperature", 0 <= self.temperature < math.inf, "0 (greedy) or more"),
            ("top-k", self.top_k >= 0, "0 (all) or more"),
            ("top-p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("min-p", 0 <= self.min_p <= 1, "between 0 and 1"),
            ("repetition-penalty", 0 < self.repetition_penalty < math.inf, "above 0 (1: none)"),
            ("frequency-penalty", math.isfinite(self.frequency_penalty), "a number"),
            ("presence-penalty", math.isfinite(self.presence_penalty), "a number"),
            ("logit-bias", all(i >= 0 and math.isfinite(value) for i, value in self.logit_bias), "numbers for ids"),
        ):
            if not good:
                raise EyasError(f"--{name} must be {want}, not {getattr(self, name.replace('-', '_'))}")


@dataclass(frozen=True)
class Ask:
    """One token to be chosen from a row of logits.

    `draw` in [0, 1) decides when the temperature is above 0. `allowed` is a bit mask, uint32 words, id i at bit i % 32
    of word i // 32; None allows all. `said` are the distinct ids (int32) that the repetition penalty applies to. `bias`
    is added first: distinct ids (int32) and values (float32).
    """

    sampling: Sampling
    draw: float
    allowed: NDArray[np.uint32] | None = None
    said: NDArray[np.int32] | None = None
    bias: tuple[NDArray[np.int32], NDArray[np.float32]] | None = None


def uniforms(seed: int, row: int, count: int) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) that depend on (seed, row) alone: a row's draws do not know its neighbours."""
    # Philox is keyed, so streams of neighbouring rows are independent by construction (Salmon et al. 2011)
    key = np.array([seed % 2**64, row], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def distribution(logits: NDArray[np.float32], ask: Ask) -> NDArray[np.float64]:
    """logits (V,) -> the probabilities (V,) that `ask` draws from; temperature 0 puts all on the likeliest.

    The rules in plain words; the engines' own choosers are held equal to it. Raises EyasError when nothing is allowed.
    """
    rules = ask.sampling
    scores = logits.astype(np.float64)
    if ask.bias is not None:
        scores[ask.bias[0]] += ask.bias[1]
    if ask.said is not None and rules.repetition_penalty != 1:
        part = scores[ask.said]
        scores[ask.said] = np.where(part > 0, part / rules.repetition_penalty, part * rules.repetition_penalty)
    if ask.allowed is not None:
        scores[~unpacked(ask.allowed, len(scores))] = -math.inf
    if not scores.max() > -math.inf:
        raise nothing_allowed()
    if rules.temperature == 0:
        chances = np.zeros_like(scores)
        chances[scores.argmax()] = 1.0
        return chances
    scores /= rules.temperature
    if 0 < rules.top_k < len(scores):
        scores[scores < np.partition(scores, -rules.top_k)[-rules.top_k]] = -math.inf
    if rules.top_p < 1:
        chances = _softmax(scores)
        order = np.argsort(-chances, kind="stable")
        before = chances[order].cumsum() - chances[order]  # what likelier tokens hold; the likeliest always stays
        scores[order[before >= rules.top_p]] = -math.inf
    if rules.min_p > 0:
        scores[scores < scores.max() + math.log(rules.min_p)] = -math.inf
    return _softmax(scores)


def draw_from(chances: NDArray[np.float64], draw: float) -> int:
    """The id at which the cumulative distribution of `chances` (V,), which need not sum to 1, passes `draw`."""
    cumulative = chances.cumsum()
    # strictly above the target, so that a token of probability 0 is never hit, not even by a draw of 0
    found = int(np.searchsorted(cumulative, draw * cumulative[-1], side="right"))
    return min(found, int(np.flatnonzero(chances)[-1]))


def log_chance(logits: NDArray[np.float32], token: int) -> float:
    """log softmax(logits)[token] in nats, logits (V,)."""
    wide = logits.astype(np.float64)
    top = wide.max()
    return float(wide[token] - top - math.log(np.exp(wide - top).sum()))


def likeliest(logits: NDArray[np.float32], count: int) -> list[tuple[int, float]]:
    """The `count` likeliest ids of logits (V,), the likeliest first, with log softmax(logits) of each in nats."""
    count = min(count, len(logits))
    ids = np.argpartition(logits, -count)[-count:]
    ids = ids[np.lexsort((ids, -logits[ids]))]
    top = float(logits[ids[0]])
    total = math.log(float(np.exp(logits.astype(np.float64) - top).sum()))
    return [(int(i), float(logits[i]) - top - total) for i in ids]


def unpacked(allowed: NDArray[np.uint32], count: int) -> NDArray[np.bool_]:
    """A bit mask as (count,) bool."""
    return np.unpackbits(allowed.view(np.uint8), count=count, bitorder="little").astype(bool)


def nothing_allowed() -> EyasError:
    """What is raised when a mask leaves no token; the caller's grammar should have allowed an end."""
    return EyasError("the grammar allows no token here, not even an end; mend the grammar")


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max())
    total: NDArray[np.float64] = powers / powers.sum()
    return total
