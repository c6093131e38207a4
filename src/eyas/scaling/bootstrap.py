"""How sure a law is: the fit repeated on resampled runs.

Whole training runs are drawn with replacement, not single rows: several losses of one run (its decay branched at
several token counts) share its seed and its luck, and taken as independent they would make the interval too narrow.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eyas.scaling.fit import DELTA, fit_weighted
from eyas.scaling.law import Array
from eyas.scaling.table import Runs

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval and its standard error; [-inf, inf] where the table cannot tell."""

    value: float
    low: float
    high: float
    error: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def interval(value: float, replicates: npt.ArrayLike) -> Interval:
    """The interval between the 2.5th and 97.5th percentile of `replicates` [any], which may hold NaN.

    A replicate without an answer may lie anywhere: when more than 2.5 % have none, the interval is endless.
    """
    found = np.asarray(replicates, dtype=np.float64)
    finite = found[np.isfinite(found)]
    if not len(finite) or len(finite) < (1 + LEVEL) / 2 * len(found):
        return Interval(float(value), -np.inf, np.inf, np.inf)
    low, high = np.percentile(finite, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return Interval(float(value), float(low), float(high), float(finite.std()))


def resampled(runs: Runs, times: int, seed: int) -> Array:
    """Weights [times, rows]: how often each row's training run was drawn."""
    labels, cluster = np.unique(runs.run, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(labels), np.full(len(labels), 1 / len(labels)), size=times)
    return drawn[:, cluster].astype(np.float64)


def replicate_laws(runs: Runs, times: int, seed: int, delta: float = DELTA, floor: float = 0.0) -> Array:
    """Laws [times, 5] fitted to resampled runs."""
    return fit_weighted(runs.n, runs.d, runs.loss, resampled(runs, times, seed), delta, floor)
