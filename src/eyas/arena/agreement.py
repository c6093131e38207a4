"""How far two readers agree: Cohen's kappa, of people and judges on the same battles, or of any other two."""

from dataclasses import dataclass

import numpy as np

from eyas.arena.battles import Battles, Bools, Floats

ROUNDS = 1000


@dataclass(frozen=True)
class Agreement:
    """`share` of `pairs` of verdicts, on `prompts` prompts, are the same; `kappa` is what is left of it above chance.

    `low` to `high`: its 95 % bootstrap interval over prompts (J. Cohen, 1960).
    """

    pairs: int
    prompts: int
    share: float
    kappa: float
    low: float
    high: float


def agreement(battles: Battles, people: Bools, seed: int = 0) -> Agreement | None:
    """Verdicts of `people` ((n,) mask) against all others', on the same prompt and the same two models.

    Every person is paired with every judge of the battle. None when no battle was judged by both, or prompts are
    unknown. Verdicts: one wins, the other, a tie.
    """
    if battles.prompt is None:
        return None
    turn = battles.a > battles.b
    score = np.where(turn, 1 - battles.score, battles.score)
    verdict = np.where(score > 0.5, 0, np.where(score < 0.5, 1, 2))
    low, high = np.minimum(battles.a, battles.b), np.maximum(battles.a, battles.b)
    asked: dict[tuple[int, int, int], tuple[list[int], list[int]]] = {}
    for prompt, a, b, said, human in zip(
        battles.prompt.tolist(), low.tolist(), high.tolist(), verdict.tolist(), people.tolist(), strict=True
    ):
        asked.setdefault((prompt, a, b), ([], []))[0 if human else 1].append(said)
    tables: dict[int, Floats] = {}
    for (prompt, _, _), (theirs, others) in asked.items():
        for one in theirs:
            for other in others:
                tables.setdefault(prompt, np.zeros((3, 3)))[one, other] += 1
    return measured(np.stack(list(tables.values())), seed) if tables else None


def measured(counts: Floats, seed: int = 0) -> Agreement:
    """counts (n, k, k): for each of n prompts, how often one reader gave verdict i and the other verdict j of k."""
    whole = counts.sum(0)
    rng = np.random.default_rng(seed)
    drawn = [kappa(counts[rng.integers(0, len(counts), len(counts))].sum(0)) for _ in range(ROUNDS)]
    return Agreement(
        pairs=int(whole.sum()),
        prompts=len(counts),
        share=float(np.trace(whole) / whole.sum()),
        kappa=kappa(whole),
        low=float(np.quantile(drawn, 0.025)),
        high=float(np.quantile(drawn, 0.975)),
    )


def kappa(table: Floats) -> float:
    """Cohen's kappa of a square table of counts; 1 when all verdicts are one and the same."""
    total = float(table.sum())
    chance = float(table.sum(0) @ table.sum(1)) / total**2
    return 1.0 if chance >= 1 else (float(np.trace(table)) / total - chance) / (1 - chance)
