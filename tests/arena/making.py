"""Battles for the tests: from a list, and drawn from models of known strength."""

from collections.abc import Iterable

import numpy as np

from eyas.arena.battles import Battles, Floats
from eyas.arena.scale import POINTS


def battles_of(fought: Iterable[tuple[str, str, float]]) -> Battles:
    """Battles (A, B, A's share of the win); models in order of their names."""
    fought = list(fought)
    models = tuple(sorted({name for a, b, _ in fought for name in (a, b)}))
    return Battles(
        models=models,
        a=np.array([models.index(a) for a, _, _ in fought], dtype=np.int64),
        b=np.array([models.index(b) for _, b, _ in fought], dtype=np.int64),
        score=np.array([score for _, _, score in fought], dtype=np.float64),
        both_bad=np.zeros(len(fought), dtype=np.bool_),
    )


def rows_between(a: str, b: str, wins: int, losses: int, ties: int = 0) -> list[tuple[str, str, float]]:
    """`wins` battles that A won against B, and so on."""
    return [(a, b, 1.0)] * wins + [(a, b, 0.0)] * losses + [(a, b, 0.5)] * ties


def simulated(
    rng: np.random.Generator, ratings: Floats, each: int, *, nu: float = 0.0, by_prompt: float = 0.0
) -> Battles:
    """`each` battles a pair between models of these ratings (points), ties by Davidson's nu.

    Battle t of every pair is fought on prompt t, where every model is better or worse by a draw with this spread
    (`by_prompt`, points).
    """
    k = len(ratings)
    a, b = (np.repeat(side, each) for side in np.triu_indices(k, 1))
    prompt = np.tile(np.arange(each), k * (k - 1) // 2)
    form = rng.normal(0, by_prompt, (each, k)) if by_prompt else np.zeros((each, k))
    u = (ratings[a] + form[prompt, a] - ratings[b] - form[prompt, b]) / POINTS
    weights = np.stack([np.exp(u / 2), np.full_like(u, nu), np.exp(-u / 2)])
    shares = np.cumsum(weights / weights.sum(0), axis=0)
    drawn = rng.random(len(u))
    score = np.where(drawn < shares[0], 1.0, np.where(drawn < shares[1], 0.5, 0.0))
    names = tuple(str(number) for number in range(k))
    return Battles(names, a, b, score, np.zeros(len(a), dtype=np.bool_), prompt=prompt)
