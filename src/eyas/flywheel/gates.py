"""What a retrained model must pass before it takes the champion's place. Each gate tells its n and what it could see.

A model is trained on corrections of what it said, so it will get these right; the question is what else changed. Both
models answer the same questions, and only those count on which they differ. The fall of right answers must be shown to
be small: its upper bound, one-sided at 95 %, must lie below the margin. So the burden of proof is on the new model: one
that is truly worse by the margin passes once in 20 times, whatever n.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from eyas.evals.intervals import wilson

MARGIN = 0.01
"""Largest fall of right answers on the exam that is put up with, as a share."""
LOSS_MARGIN = 0.05
"""Largest rise of the loss on held-out answers that is put up with, in nats a token: 5 % of perplexity."""
LEVEL = 0.05
LEAST = 3000
"""Questions that the exam's gate needs: with fewer, the bound would be wider than the margin."""
_Z = NormalDist().inv_cdf(1 - LEVEL)


@dataclass(frozen=True)
class Gate:
    """Whether a model passed, and why, in a sentence with its figures."""

    name: str
    passed: bool
    reason: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Paired:
    """Two models on the same `n` questions: `lost` were right before only, `won` after only.

    `fall` = (lost - won) / n lies below `most` with a confidence of 95 % (Agresti and Min, Statistics in Medicine 24,
    2005: Wald's bound after half an observation more in each cell). `p` is McNemar's exact one-sided test of any fall.
    `power` is the chance that a model with as many changed answers but no fall passes the margin.
    """

    n: int
    lost: int
    won: int
    fall: float
    most: float
    p: float
    power: float


def paired(before: Sequence[bool], after: Sequence[bool], margin: float = MARGIN) -> Paired:
    """Compare right answers before and after, question by question. Raises ValueError when there are none."""
    if len(before) != len(after) or not before:
        raise ValueError(f"need two equally long, non-empty lists of verdicts, got {len(before)} and {len(after)}")
    n = len(before)
    lost = sum(old and not new for old, new in zip(before, after, strict=True))
    won = sum(new and not old for old, new in zip(before, after, strict=True))
    changed, gap = lost + won + 1, lost - won
    error = math.sqrt(changed - gap * gap / (n + 2)) / (n + 2)
    return Paired(
        n=n,
        lost=lost,
        won=won,
        fall=gap / n,
        most=gap / (n + 2) + _Z * error,
        p=mcnemar(lost, won),
        power=NormalDist().cdf(margin / error - _Z),
    )


def mcnemar(lost: int, won: int) -> float:
    """The chance of `lost` or more of the changed answers being losses when losses and wins are equally likely."""
    changed = lost + won
    return float(sum(math.comb(changed, k) for k in range(lost, changed + 1)) / 2**changed)


def share_gate(name: str, what: str, right: Sequence[bool], least: float) -> Gate:
    """At least `least` of the answers are right; `what` names the questions. Without any, it passes and says so."""
    if not right:
        return Gate(name, True, f"there are no {what} to ask", {"n": 0})
    found = wilson(sum(right), len(right))
    verdict = "right" if found.value >= least else f"right, {least:.0%} are wanted"
    return Gate(name, found.value >= least, f"{found} of {what} {verdict}", found.as_json() | {"least": least})


def fall_gate(
    name: str, before: dict[str, list[bool]], after: dict[str, list[bool]], margin: float = MARGIN, least: int = LEAST
) -> Gate:
    """The exam by sections: all together may fall by less than `margin`, and no section beyond chance.

    Sections are tested by McNemar at LEVEL over their number, so that one of them fails by chance once in 20 times.
    """
    whole = paired(_chain(before), _chain(after), margin)
    sections = {section: paired(before[section], after[section], margin) for section in before if before[section]}
    worse = [section for section, one in sections.items() if one.p < LEVEL / len(sections)]
    figures = {"margin": margin, "all": whole, "sections": sections}
    told = (
        f"{whole.lost} right answers lost and {whole.won} won of n = {whole.n:,}: a fall of "
        f"{100 * whole.fall:.2f} points, at most {100 * whole.most:.2f} with 95 % confidence"
    )
    if whole.n < least:
        return Gate(
            name,
            False,
            f"n = {whole.n:,} questions are too few to tell: {least:,} are needed, raise --questions",
            figures,
        )
    if whole.most > margin:
        seen = f"a model without a fall would have passed {whole.power:.0%} of the time"
        return Gate(name, False, f"{told}, which is more than the {100 * margin:g} allowed ({seen})", figures)
    if worse:
        parts = ", ".join(f"{one} (-{sections[one].lost} +{sections[one].won})" for one in worse)
        return Gate(name, False, f"{told}; but it fell beyond chance in {parts}", figures)
    return Gate(name, True, told, figures)


def loss_gate(name: str, before: Sequence[float], after: Sequence[float], margin: float = LOSS_MARGIN) -> Gate:
    """Mean losses of the same held-out answers, in nats a token: the rise must lie below `margin` (paired t)."""
    rise = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    if len(rise) < 2:
        return Gate(name, True, f"{len(rise)} held-out answers cannot tell anything", {"n": len(rise)})
    error = float(rise.std(ddof=1)) / math.sqrt(len(rise))
    most = float(rise.mean()) + _student(len(rise) - 1) * error
    told = f"the loss on n = {len(rise):,} held-out answers rose by {rise.mean():.3f} nats a token, at most {most:.3f}"
    figures = {"n": len(rise), "rise": float(rise.mean()), "most": most, "margin": margin}
    if most <= margin:
        return Gate(name, True, f"{told} with 95 % confidence", figures)
    return Gate(name, False, f"{told} with 95 % confidence, which is more than the {margin:g} allowed", figures)


def _student(freedom: int) -> float:
    """Upper 5 % point of Student's t (Cornish-Fisher expansion; within 0.02 from 3 degrees of freedom on)."""
    z = _Z
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _chain(sections: dict[str, list[bool]]) -> list[bool]:
    return [one for section in sections.values() for one in section]
