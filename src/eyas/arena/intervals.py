"""How sure ratings are: the sandwich covariance, and the bootstrap over prompts.

Battles on one prompt are not independent; where prompts are known they are the clusters of both. The sandwich is
H^-1 G H^-1 (P. J. Huber, 1967; K.-Y. Liang and S. L. Zeger, Biometrika 73, 1986), H the second derivative of the -log
posterior, G the sum over clusters of the squared score. It stays right when ties or judges follow another law.
"""

from dataclasses import dataclass

import numpy as np

from eyas.arena.battles import Bools, Floats, Ints
from eyas.arena.bradley_terry import Fit, Rows, by_pair, derivatives, fit, gather_square, weighted


@dataclass(frozen=True)
class Gauge:
    """From where ratings are measured: the mean of the models of one's `pool` that are `main` (both (models,))."""

    pool: Ints
    main: Bools

    def level(self, size: int) -> Floats:
        """(size, size) what moves a pool as a whole, which the battles say nothing about."""
        k = len(self.pool)
        full = np.zeros((size, size))
        full[:k, :k] = self.pool[:, None] == self.pool[None, :]
        return full

    def centring(self, size: int) -> Floats:
        """(size, size) matrix that takes the mean from each theta and leaves the other parameters."""
        k = len(self.pool)
        counted = self.level(k) * self.main
        full = np.eye(size)
        full[:k, :k] -= counted / counted.sum(1, keepdims=True)
        return full


def posterior_covariance(found: Fit, gauge: Gauge) -> Floats:
    """Inverse of the Hessian, for ratings measured in the gauge."""
    size = len(found.hessian)
    # Scaled to the Hessian, so that many battles do not make the sum ill-conditioned.
    level = gauge.level(size) * max(1.0, float(np.trace(found.hessian)) / size)
    centre = gauge.centring(size)
    return np.asarray(centre @ np.linalg.inv(found.hessian + level) @ centre.T)


def sandwich_covariance(rows: Rows, found: Fit, gauge: Gauge, clusters: Ints | None = None) -> Floats:
    """Covariance of theta (in the gauge), beta and log nu; `rows` one for each battle.

    `clusters`: (n,) number of each battle's prompt, counted from 0; None where every battle stands for itself.
    """
    bread = posterior_covariance(found, gauge)
    seen = derivatives(rows, found.theta, found.beta, found.log_tie)
    with_tie = found.log_tie is not None
    if clusters is None:
        n = len(rows.a)
        meat = gather_square(rows, seen.u**2, seen.u * seen.t, seen.t**2, with_tie)
    else:
        n = len(np.unique(clusters))
        meat = _clustered(rows, seen.u, seen.t, with_tie, clusters)
    # The scores are those at the fitted point and so a little too small: the usual correction for few clusters.
    return np.asarray(bread @ meat @ bread * (n / max(1, n - 1)))


def _clustered(rows: Rows, u: Floats, t: Floats, with_tie: bool, clusters: Ints) -> Floats:
    """Sum over clusters of (sum of scores)(sum of scores)^T, some thousand clusters at a time."""
    k, m = rows.models, rows.x.shape[1]
    size = k + m + with_tie
    _, number = np.unique(clusters, return_inverse=True)
    order = np.argsort(number, kind="stable")
    step = max(1, (1 << 24) // size)
    total = np.zeros((size, size))
    sorted_numbers = number[order]
    for first in range(0, int(number.max()) + 1, step):
        begin, end = np.searchsorted(sorted_numbers, [first, first + step])
        at = order[begin:end]
        row = number[at] - first
        scores = np.zeros((int(row.max()) + 1, size))
        np.add.at(scores, (row, rows.a[at]), u[at])
        np.add.at(scores, (row, rows.b[at]), -u[at])
        for j in range(m):
            np.add.at(scores, (row, np.full_like(row, k + j)), u[at] * rows.x[at, j])
        if with_tie:
            np.add.at(scores, (row, np.full_like(row, size - 1)), t[at])
        total += scores.T @ scores
    return total


def bootstrap(
    rows: Rows, found: Fit, gauge: Gauge, clusters: Ints | None, *, prior_sd: float, rounds: int, seed: int
) -> Floats:
    """(rounds, parameters) fits on clusters drawn with replacement, theta in the gauge; needs a prior."""
    merged, single, places = by_pair(rows)
    number = np.arange(len(rows.a)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    count = int(number.max()) + 1
    centre = gauge.centring(len(found.hessian))
    rng = np.random.default_rng(seed)
    drawn = np.zeros((rounds, len(found.hessian)))
    for i in range(rounds):
        times = np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64)
        again = weighted(merged, single, places, times[number])
        one = fit(again, prior_sd=prior_sd, davidson=found.log_tie is not None, start=found)
        drawn[i] = centre @ one.parameters()
    return drawn
