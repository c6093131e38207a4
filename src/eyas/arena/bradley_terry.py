"""Ratings as the most probable parameters of a model of battles, by Newton's method.

Half ties: P(A beats B) = sigmoid(u), u = theta_a - theta_b + beta . x, and a tie is half a win for each (R. A. Bradley
and M. E. Terry, Biometrika 39, 1952). Davidson: P(A), P(B), P(tie) are as exp(u/2), exp(-u/2), nu (R. R. Davidson,
JASA 65, 1970). All parameters (theta, beta, log nu) are in natural-log units and have the same prior, a Gaussian
around 0. Both likelihoods are log-concave, so the maximum is one and Newton's steps, halved where needed, find it.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from eyas.arena.battles import Battles, Floats, Ints
from eyas.arena.ranking import structure
from eyas.errors import EyasError

MAX_STEPS = 200
HOPELESS = 25.0
"""Without a prior, a parameter this far out (odds of e^25) is on its way to infinity."""


@dataclass(frozen=True)
class Rows:
    """Battles as the likelihood sees them: n rows among `models` models.

    `a`, `b`: (n,) indices; `wins_a`, `wins_b`, `ties`: (n,) how often, maybe fractions; `x`: (n, m) covariates that
    speak for A (m may be 0).
    """

    models: int
    a: Ints
    b: Ints
    wins_a: Floats
    wins_b: Floats
    ties: Floats
    x: Floats


@dataclass(frozen=True)
class Derivatives:
    """-log likelihood of `Rows` in all, and each row's derivatives by u and by t = log nu ((n,) each)."""

    value: float
    u: Floats
    t: Floats
    uu: Floats
    ut: Floats
    tt: Floats


@dataclass(frozen=True)
class Fit:
    """The most probable parameters: (models,) `theta`, (m,) `beta`, `log_tie` = log nu (None: ties are half wins).

    `hessian`: of the -log posterior in the order theta, beta, log nu. With a flat prior it has no inverse, since
    adding a constant to all theta of a pool changes nothing.
    """

    theta: Floats
    beta: Floats
    log_tie: float | None
    hessian: Floats

    def parameters(self) -> Floats:
        """theta, beta and log nu in one row, as in the Hessian."""
        return np.concatenate([self.theta, self.beta, [] if self.log_tie is None else [self.log_tie]])


def rows_of(battles: Battles, x: Floats | None = None) -> Rows:
    """One row for each battle; `x` (n, m) are its covariates."""
    tied = battles.tied
    return Rows(
        models=len(battles.models),
        a=battles.a,
        b=battles.b,
        wins_a=np.where(tied, 0.0, battles.score),
        wins_b=np.where(tied, 0.0, 1 - battles.score),
        ties=tied.astype(np.float64),
        x=np.zeros((len(battles), 0)) if x is None else x,
    )


def by_pair(rows: Rows) -> tuple[Rows, Rows, Ints]:
    """The rows with the battles of a pair merged, the same rows before merging (sides in one order), and where each
    of these went: (n,) places among the merged. With covariates every row stays as it is."""
    if rows.x.shape[1]:
        return rows, rows, np.arange(len(rows.a))
    turn = rows.a > rows.b
    turned = replace(
        rows,
        a=np.where(turn, rows.b, rows.a),
        b=np.where(turn, rows.a, rows.b),
        wins_a=np.where(turn, rows.wins_b, rows.wins_a),
        wins_b=np.where(turn, rows.wins_a, rows.wins_b),
    )
    keys, places = np.unique(turned.a * rows.models + turned.b, return_inverse=True)
    merged = replace(turned, a=keys // rows.models, b=keys % rows.models, x=np.zeros((len(keys), 0)))
    return weighted(merged, turned, places, np.ones(len(rows.a))), turned, places


def weighted(merged: Rows, rows: Rows, places: Ints, weights: Floats) -> Rows:
    """`merged` with its counts taken anew from `rows` (see `by_pair`), row i counted `weights[i]` times."""
    size = len(merged.a)

    def count(one: Floats) -> Floats:
        return np.asarray(np.bincount(places, one * weights, size), dtype=np.float64)

    return replace(merged, wins_a=count(rows.wins_a), wins_b=count(rows.wins_b), ties=count(rows.ties))


def derivatives(rows: Rows, theta: Floats, beta: Floats, log_tie: float | None) -> Derivatives:
    """What Newton's method and the sandwich need, at these parameters."""
    u = theta[rows.a] - theta[rows.b] + rows.x @ beta
    if log_tie is None:
        for_a, for_b = rows.wins_a + rows.ties / 2, rows.wins_b + rows.ties / 2
        a_wins = np.exp(-np.logaddexp(0, -u))
        value = float(for_a @ np.logaddexp(0, -u) + for_b @ np.logaddexp(0, u))
        none = np.zeros_like(u)
        n = for_a + for_b
        return Derivatives(value, n * a_wins - for_a, none, n * a_wins * (1 - a_wins), none, none)
    logits = np.stack([u / 2, -u / 2, np.full_like(u, log_tie)])
    log_sum = np.logaddexp.reduce(logits, axis=0)
    p_a, p_b, p_tie = np.exp(logits - log_sum)
    n = rows.wins_a + rows.wins_b + rows.ties
    lead = p_a - p_b
    return Derivatives(
        value=float(n @ log_sum - (rows.wins_a - rows.wins_b) @ u / 2 - rows.ties.sum() * log_tie),
        u=(n * lead - rows.wins_a + rows.wins_b) / 2,
        t=n * p_tie - rows.ties,
        uu=n * (p_a + p_b - lead**2) / 4,
        ut=-n * lead * p_tie / 2,
        tt=n * p_tie * (1 - p_tie),
    )


def gather(rows: Rows, u: Floats, t: Floats, with_tie: bool) -> Floats:
    """(parameters,) gradient by theta, beta and (`with_tie`) log nu out of each row's derivatives by u and t."""
    theta = np.bincount(rows.a, u, rows.models) - np.bincount(rows.b, u, rows.models)
    return np.concatenate([theta, rows.x.T @ u, [t.sum()] if with_tie else []])


def gather_square(rows: Rows, uu: Floats, ut: Floats, tt: Floats, with_tie: bool) -> Floats:
    """(parameters, parameters) matrix of second derivatives, or of squared scores, out of each row's own."""
    k, m = rows.models, rows.x.shape[1]
    full = np.zeros((k + m + with_tie, k + m + with_tie))
    met = np.bincount(rows.a * k + rows.b, uu, k * k).reshape(k, k)
    met = met + met.T
    full[:k, :k] = np.diag(met.sum(1)) - met
    for j in range(m):
        weight = uu * rows.x[:, j]
        full[:k, k + j] = np.bincount(rows.a, weight, k) - np.bincount(rows.b, weight, k)
    full[k : k + m, k : k + m] = rows.x.T @ (rows.x * uu[:, None])
    if with_tie:
        full[:k, -1] = np.bincount(rows.a, ut, k) - np.bincount(rows.b, ut, k)
        full[k : k + m, -1] = rows.x.T @ ut
        full[-1, -1] = tt.sum()
    upper = np.triu(full)
    return np.asarray(upper + np.triu(full, 1).T)


def fit(rows: Rows, *, prior_sd: float, davidson: bool = False, start: Fit | None = None) -> Fit:
    """The most probable parameters; `prior_sd` in natural-log units, `math.inf` for none (maximum likelihood).

    Raises EyasError where there is no maximum: without a prior, a model that never lost or never won, models that were
    never compared, and Davidson's model without ties.
    """
    if math.isinf(prior_sd):
        _refuse_endless(rows, davidson)
    rows, _, _ = by_pair(rows)
    k, m = rows.models, rows.x.shape[1]
    size = k + m + davidson
    at = np.zeros(size)
    if start is not None:
        at = start.parameters()
    precision = prior_sd**-2
    # Moving all ratings together changes no likelihood; this term fixes them without moving the maximum.
    level = np.zeros((size, size))
    level[:k, :k] = 1.0

    def look(p: Floats) -> tuple[float, Derivatives]:
        found = derivatives(rows, p[:k], p[k : k + m], float(p[-1]) if davidson else None)
        return found.value + precision * float(p @ p) / 2, found

    value, found = look(at)
    for _ in range(MAX_STEPS):
        slope = gather(rows, found.u, found.t, davidson) + precision * at
        square = gather_square(rows, found.uu, found.ut, found.tt, davidson) + precision * np.eye(size)
        try:
            step = -np.linalg.solve(square + level, slope)
        except np.linalg.LinAlgError:
            break
        if not np.all(np.isfinite(step)) or (math.isinf(prior_sd) and np.abs(at).max() > HOPELESS):
            break
        decrease = -float(slope @ step)
        # Below the rounding of the value itself no progress can be seen any more: the last step is taken on trust.
        if decrease <= 1e-14 * (1 + abs(value)):
            at = at + step
            _, found = look(at)
            square = gather_square(rows, found.uu, found.ut, found.tt, davidson) + precision * np.eye(size)
            return Fit(at[:k], at[k : k + m], float(at[-1]) if davidson else None, square)
        share = 1.0
        while True:
            tried, seen = look(at + share * step)
            if tried <= value - 1e-4 * share * decrease or share < 1e-9:
                break
            share /= 2
        at, value, found = at + share * step, tried, seen
    raise EyasError(NO_MAXIMUM)


NO_MAXIMUM = (
    "without a prior these battles have no most probable ratings (a model that never lost or never won against the "
    "others, models that were never compared, or no tie for Davidson's model); give a finite --prior-sd"
)


def _refuse_endless(rows: Rows, davidson: bool) -> None:
    """Maximum likelihood exists only where every model can be reached from every other by points taken (Ford, 1957)."""
    taken_a, taken_b = rows.wins_a + rows.ties / 2, rows.wins_b + rows.ties / 2
    found = structure(rows.models, rows.a, rows.b, taken_a / (taken_a + taken_b))
    if found.group.max() > 0 or (davidson and not 0 < rows.ties.sum() < (taken_a + taken_b).sum()):
        raise EyasError(NO_MAXIMUM)
