"""Fitting the law to runs: variable projection for a start, then Huber's loss on the logarithms.

The loss of Hoffmann et al. (2022) is kept: the sum over runs of Huber(log-sum-exp(e, a - alpha log N, b - beta log D)
- log L) with delta 1e-3, e = log E, a = log A, b = log B. How it is found is not, since a few hundred L-BFGS starts are
slow and stop early (Besiroglu et al. 2024, arXiv:2404.10102, on the original fit):

- for fixed (alpha, beta) the law is linear in (E, A, B) >= 0, so a grid over the two exponents with non-negative least
  squares at each point sees the whole landscape;
- the best grid points are polished by damped Gauss-Newton steps on Huber's loss.

Every function works on many weightings of the same runs at once, so that a bootstrap is one call.
"""

from itertools import combinations

import numpy as np

from eyas.scaling.law import Array, Law

DELTA = 1e-3  # where Huber's loss turns from square to straight, in log loss
LOWEST, HIGHEST = 0.02, 2.5  # exponents beyond these say that the table does not tell
GRID = np.geomspace(0.05, 1.6, 20)
STARTS = 3
STEPS = 150
CHUNK = 250  # weightings at once: bounds the memory
ABSENT = 1e-7  # of the mean loss: a term this small is not there
_SUPPORTS = [[*kept] for size in (1, 2, 3) for kept in combinations(range(3), size)]


def fit(n: Array, d: Array, loss: Array, delta: float = DELTA, floor: float = 0.0) -> Law:
    """The law of runs with `n` parameters, `d` tokens and `loss`, each [runs], all positive; E is not below `floor`."""
    return Law.of(fit_weighted(n, d, loss, np.ones((1, len(loss))), delta, floor)[0])


def fit_weighted(n: Array, d: Array, loss: Array, weights: Array, delta: float = DELTA, floor: float = 0.0) -> Array:
    """Laws [weightings, 5] (columns as in `law.NAMES`) for `weights` [weightings, runs] >= 0."""
    log_n, log_d = np.log(n), np.log(d)
    # Centred, the three terms are of one size and hardly correlated with the exponents.
    middle_n, middle_d = float(log_n.mean()), float(log_d.mean())
    x, y, z = log_n - middle_n, log_d - middle_d, np.log(loss)
    chunks = (weights[start : start + CHUNK] for start in range(0, len(weights), CHUNK))
    found = [_fit_centred(x, y, z, chunk, floor, delta) for chunk in chunks]
    theta = np.concatenate(found)
    alpha, beta = theta[:, 3], theta[:, 4]
    terms = np.exp(theta[:, :3])
    terms[terms <= ABSENT * 1.01 * float(loss.mean())] = 0.0
    e, a, b = terms.T
    return np.stack([e, a * np.exp(alpha * middle_n), b * np.exp(beta * middle_d), alpha, beta], axis=1)


def _fit_centred(x: Array, y: Array, z: Array, weights: Array, floor: float, delta: float) -> Array:
    """(e, a, b, alpha, beta) [weightings, 5] in centred logarithms."""
    absent = float(np.log(ABSENT) + z.mean())
    lower = np.array([np.log(max(floor, np.exp(absent))), absent, absent, LOWEST, LOWEST])
    starts = _project(x, y, z, weights, floor, absent)
    best, least = starts[:, 0], np.full(len(weights), np.inf)
    for number in range(starts.shape[1]):
        theta, value = _polish(x, y, z, weights, starts[:, number], lower, delta)
        better = value < least
        best, least = np.where(better[:, None], theta, best), np.where(better, value, least)
    return best


def _project(x: Array, y: Array, z: Array, weights: Array, floor: float, absent: float) -> Array:
    """Starts [weightings, STARTS, 5]: the best grid points with their non-negative least squares.

    Rows are divided by the loss, so that residuals are relative as in the logarithm. `floor` is taken off the loss
    first, so that no part of E is below it; `absent` is the logarithm of a term that is not there.
    """
    scale = np.exp(-z)
    above = 1 - floor * scale
    over_n, over_d = np.exp(-np.outer(GRID, x)) * scale, np.exp(-np.outer(GRID, y)) * scale  # [grid, runs]
    shape = (len(weights), len(GRID), len(GRID))
    gram, right = np.empty((*shape, 3, 3)), np.empty((*shape, 3))
    gram[..., 0, 0] = (weights @ scale**2)[:, None, None]
    gram[..., 0, 1] = gram[..., 1, 0] = (weights @ (over_n * scale).T)[:, :, None]
    gram[..., 0, 2] = gram[..., 2, 0] = (weights @ (over_d * scale).T)[:, None, :]
    gram[..., 1, 1] = (weights @ (over_n**2).T)[:, :, None]
    gram[..., 2, 2] = (weights @ (over_d**2).T)[:, None, :]
    products = (over_n[:, None] * over_d).reshape(-1, len(x))
    gram[..., 1, 2] = gram[..., 2, 1] = (weights @ products.T).reshape(shape)
    right[..., 0] = (weights @ (above * scale))[:, None, None]
    right[..., 1] = (weights @ (above * over_n).T)[:, :, None]
    right[..., 2] = (weights @ (above * over_d).T)[:, None, :]
    terms, gain = _non_negative(gram, right)
    # Neighbours of the best point lead to the same valley; the best of each row of alphas are far enough apart.
    row_best = gain.argmax(axis=2)
    row_gain = gain.max(axis=2)
    rows = np.argsort(-row_gain, axis=1)[:, :: max(1, len(GRID) // 6)][:, :STARTS]
    every = np.arange(len(weights))[:, None]
    columns = row_best[every, rows]
    chosen = terms[every, rows, columns] + np.array([floor, 0.0, 0.0])
    logs = np.log(np.maximum(chosen, np.exp(absent + 5)))
    return np.concatenate([logs, GRID[rows][..., None], GRID[columns][..., None]], axis=2)


def _non_negative(gram: Array, right: Array) -> tuple[Array, Array]:
    """Least squares [..., 3] with no negative part for normal equations `gram` [..., 3, 3] and `right` [..., 3].

    The optimum is the ordinary solution on some subset of the three columns: all seven are tried. Also gives how much
    of the sum of squares each explains [...].
    """
    best, gain = np.zeros(right.shape), np.full(right.shape[:-1], -np.inf)
    for kept in _SUPPORTS:
        part = gram[..., kept, :][..., kept] + 1e-12 * np.eye(len(kept)) * gram[..., :1, :1]
        solved = np.linalg.solve(part, right[..., kept][..., None])[..., 0]
        explained = np.where((solved >= 0).all(-1), (solved * right[..., kept]).sum(-1), -np.inf)
        better = explained > gain
        full = np.zeros(right.shape)
        full[..., kept] = solved
        best, gain = np.where(better[..., None], full, best), np.where(better, explained, gain)
    return best, gain


def _terms(theta: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """log of the predicted loss [weightings, runs], and the three terms' shares of it [weightings, 3, runs]."""
    e, a, b, alpha, beta = (column[:, None] for column in theta.T)
    parts = np.stack([np.broadcast_to(e, (len(theta), len(x))), a - alpha * x, b - beta * y], axis=1)
    top = parts.max(axis=1, keepdims=True)
    grown = np.exp(parts - top)
    total = grown.sum(axis=1, keepdims=True)
    return (top + np.log(total))[:, 0], grown / total


def huber(residuals: Array, delta: float) -> Array:
    """r^2 / 2 within `delta`, a straight line of slope `delta` beyond."""
    size = np.abs(residuals)
    return np.asarray(np.where(size <= delta, 0.5 * residuals**2, delta * (size - 0.5 * delta)))


def _polish(
    x: Array, y: Array, z: Array, weights: Array, theta: Array, lower: Array, delta: float
) -> tuple[Array, Array]:
    """Damped Gauss-Newton steps on Huber's loss from `theta`; the end [weightings, 5] and its loss [weightings].

    No step leads below `lower` [5].

    Far residuals count by their slope, as in iteratively reweighted least squares, so that each step lowers an upper
    bound of the loss. A step that does not lower the loss itself is taken back and the damping raised.
    """
    upper = np.array([np.inf, np.inf, np.inf, HIGHEST, HIGHEST])
    damping = np.full(len(theta), 1e-3)
    log_loss, shares = _terms(theta, x, y)
    value = (weights * huber(log_loss - z, delta)).sum(1)
    going = np.ones(len(theta), dtype=bool)
    calm = np.zeros(len(theta), dtype=int)
    for _ in range(STEPS):
        on = np.flatnonzero(going)
        if not len(on):
            break
        residual, part, now = log_loss[on] - z, shares[on], theta[on]
        slope = np.stack([part[:, 0], part[:, 1], part[:, 2], -part[:, 1] * x, -part[:, 2] * y], axis=1)
        bent = weights[on] / np.maximum(1.0, np.abs(residual) / delta)
        hessian = (slope * bent[:, None]) @ slope.transpose(0, 2, 1)
        gradient = (slope @ (bent * residual)[..., None])[..., 0]
        size = np.einsum("rii->ri", hessian)
        # The absolute part keeps a term that is all but absent from running away along a flat direction.
        lift = damping[on, None] * (size + 1e-6 * size.max(1, keepdims=True))
        step = np.linalg.solve(hessian + lift[:, :, None] * np.eye(5), gradient[..., None])[..., 0]
        tried = np.clip(now - np.clip(step, -2.0, 2.0), lower, upper)
        tried_log, tried_shares = _terms(tried, x, y)
        tried_value = (weights[on] * huber(tried_log - z, delta)).sum(1)
        gain = value[on] - tried_value
        good = gain > 0
        kept = on[good]
        theta[kept], log_loss[kept], shares[kept] = tried[good], tried_log[good], tried_shares[good]
        calm[on] = np.where(good & (gain > 1e-7 * tried_value), 0, calm[on] + 1)
        value[kept] = tried_value[good]
        damping[on] = np.clip(np.where(good, damping[on] * 0.3, damping[on] * 5.0), 1e-9, 1e6)
        going[on] = (calm[on] < 6) & (value[on] > 1e-24)
    return theta, value
