"""Online Elo: ratings that move after every battle. A ticker only: they depend on the order of the battles."""

import numpy as np

from eyas.arena.battles import Battles, Floats
from eyas.arena.scale import AVERAGE, win_probability

K = 4.0
"""Points at stake in one battle (Chatbot Arena's first tables; chess clubs use 10 to 40)."""


def expected_score(rating_a: float, rating_b: float, advantage: float = 0.0) -> float:
    """The score A should get against B; `advantage` is in points for A (the home field, the first place)."""
    return win_probability(rating_a - rating_b + advantage)


def online_elo(battles: Battles, k: float = K, start: float = AVERAGE) -> Floats:
    """(models,) ratings after all battles in their order, each worth `k` points at most."""
    ratings = np.full(len(battles.models), start)
    for a, b, score in zip(battles.a.tolist(), battles.b.tolist(), battles.score.tolist(), strict=True):
        moved = k * (score - expected_score(float(ratings[a]), float(ratings[b])))
        ratings[a] += moved
        ratings[b] -= moved
    return ratings
