"""IsoFLOP parabolas: at one budget the loss is a valley over log N (Hoffmann et al. 2022, approach 2).

The lowest points of several valleys give N_opt ~ C^a without believing in the law's form. A parabola is only the
valley's floor: a range of N that is wide, or off the middle, bends the exponent (a known bias of this approach), so
it stands beside the fitted law's, not in its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eyas.errors import EyasError
from eyas.scaling.bootstrap import Interval, interval
from eyas.scaling.law import Array
from eyas.scaling.table import Runs

SPREAD = 0.15  # budgets this near in logarithm count as one
LEAST_SIZES = 5  # different N that a parabola needs: three of its own, one for uneven budgets, one to spare
LEAST_BUDGETS = 3  # valleys that a power law needs


@dataclass(frozen=True)
class Valley:
    """The runs of one budget. `n`, `d`, `loss` are the valley's lowest point; None where it does not lie within."""

    flops: float
    rows: npt.NDArray[np.int64]
    curve: tuple[float, float, float]  # loss = c0 + c1 x + c2 x^2 with x = log(N / middle)
    middle: float
    n: float | None
    d: float | None
    loss: float | None


@dataclass(frozen=True)
class IsoFlop:
    """The valleys of a table, and N_opt ~ C^a, D_opt ~ C^b through their lowest points (None: too few)."""

    valleys: list[Valley]
    n_exponent: Interval | None
    d_exponent: Interval | None


def find_isoflops(runs: Runs, weights: Array, budgets: Sequence[float] = ()) -> IsoFlop:
    """The valleys of `runs`, at `budgets` or wherever enough runs share one; intervals from `weights` [times, rows].

    Raises EyasError for a budget in `budgets` that too few runs share.
    """
    chosen = [_near(runs, budget) for budget in budgets] if budgets else _gathered(runs)
    valleys, lows = [], []
    for rows in chosen:
        part = runs.kept(rows)
        both = np.concatenate([np.ones((1, len(rows))), weights[:, rows]])
        curves, x, middle, flops = _parabolas(part, both)
        lowest = _lowest(curves, x) + np.log(middle)
        lows.append((np.log(flops), lowest))
        valleys.append(_valley(part, rows, curves[0], lowest[0], middle, flops))
    exponents = _exponents(lows)
    if exponents is None:
        return IsoFlop(valleys, None, None)
    n_exponent = interval(exponents[0], exponents[1:])
    return IsoFlop(valleys, n_exponent, interval(1 - exponents[0], 1 - exponents[1:]))


def _near(runs: Runs, budget: float) -> npt.NDArray[np.int64]:
    rows = np.flatnonzero(np.abs(np.log(runs.flops / budget)) <= SPREAD)
    if len(np.unique(runs.n[rows])) < LEAST_SIZES:
        raise EyasError(
            f"--budget {budget:g}: a parabola needs {LEAST_SIZES} sizes within {100 * SPREAD:.0f} % of the budget, "
            f"and the table has {len(np.unique(runs.n[rows]))}; choose a budget that more runs share"
        )
    return rows


def _gathered(runs: Runs) -> list[npt.NDArray[np.int64]]:
    """Rows of shared budgets, lowest budget first: the fullest window, then the fullest of what is left, and so on."""
    logs, free = np.log(runs.flops), np.ones(len(runs), dtype=bool)
    found: list[npt.NDArray[np.int64]] = []
    while True:
        best: npt.NDArray[np.int64] = np.array([], dtype=np.int64)
        most = LEAST_SIZES - 1
        for centre in logs[free]:
            rows = np.flatnonzero(free & (np.abs(logs - centre) <= SPREAD))
            if (sizes := len(np.unique(runs.n[rows]))) > most:
                best, most = rows, sizes
        if not len(best):
            return sorted(found, key=lambda rows: float(logs[rows].mean()))
        # What lies just beside a window is no budget of its own.
        free &= np.abs(logs - logs[best].mean()) > 2 * SPREAD
        free[best] = False
        found.append(best)


def _parabolas(part: Runs, weights: Array) -> tuple[Array, Array, float, float]:
    """Least squares of loss on 1, x, x^2 for each weighting [times, 3], with x [rows], its zero, and the budget.

    Budgets within a group differ a little; the loss is brought to the group's own by a term in log FLOPs when they do.
    """
    middle, flops = float(np.exp(np.log(part.n).mean())), float(np.exp(np.log(part.flops).mean()))
    x, off = np.log(part.n / middle), np.log(part.flops / flops)
    columns = [np.ones_like(x), x, x**2]
    if off.std() > 0.01 and len(x) > LEAST_SIZES:
        columns.append(off)
    basis = np.stack(columns)  # [3 or 4, rows]
    gram = (basis * weights[:, None]) @ basis.T
    right = (basis * weights[:, None]) @ part.loss
    # A resample with fewer sizes than unknowns has no parabola; the ridge makes it flat, and _lowest says NaN.
    ridge = 1e-9 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(len(basis)) + 1e-300 * np.eye(len(basis))
    return np.linalg.solve(gram + ridge, right[..., None])[..., :3, 0], x, middle, flops


def _lowest(curves: Array, x: Array) -> Array:
    """x of each parabola's lowest point [times]; NaN where it opens downward or bottoms outside the runs."""
    with np.errstate(divide="ignore", invalid="ignore"):
        at = -curves[:, 1] / (2 * curves[:, 2])
    inside = (curves[:, 2] > 0) & (at > x.min()) & (at < x.max())
    return np.where(inside, at, np.nan)


def _valley(part: Runs, rows: npt.NDArray[np.int64], curve: Array, at: float, middle: float, flops: float) -> Valley:
    curve_of = (float(curve[0]), float(curve[1]), float(curve[2]))
    if not np.isfinite(at):
        return Valley(flops, rows, curve_of, middle, None, None, None)
    n = float(np.exp(at))
    x = at - np.log(middle)
    return Valley(
        flops, rows, curve_of, middle, n, flops / (part.flops_factor[0] * n), float(np.polyval(curve[::-1], x))
    )


def _exponents(lows: Sequence[tuple[float, Array]]) -> Array | None:
    """Slopes of log N_opt on log C [1 + times]: first the table's own, NaN where fewer than three valleys bottom."""
    if not lows or sum(bool(np.isfinite(low[0])) for _, low in lows) < LEAST_BUDGETS:
        return None
    y = np.stack([low for _, low in lows])  # [budgets, 1 + times]
    known = np.isfinite(y)
    x = np.where(known, np.array([flops for flops, _ in lows])[:, None], 0.0)
    count = known.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        x_off = np.where(known, x - x.sum(0) / count, 0.0)
        y_off = np.where(known, y - np.where(known, y, 0.0).sum(0) / count, 0.0)
        slope = (x_off * y_off).sum(0) / (x_off**2).sum(0)
    return np.where(count >= LEAST_BUDGETS, slope, np.nan)
