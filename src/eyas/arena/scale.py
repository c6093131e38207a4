"""The scale of ratings: 400 points are odds of ten to one, as in chess (A. E. Elo, 1978)."""

import math

POINTS = 400 / math.log(10)
"""Rating points of one natural-log unit of odds."""
AVERAGE = 1000.0
"""The mean rating of a pool of models, unless one of them is anchored elsewhere."""
Z95 = 1.959964
"""Standard deviations on each side of a 95 % interval."""


def win_probability(gap: float) -> float:
    """Probability that the model rated `gap` points higher wins, ties counted as half."""
    return float(1 / (1 + 10.0 ** (-gap / 400)))
