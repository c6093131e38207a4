"""One board: every model's rating, interval and rank, with what the battles cannot tell said beside them."""

import math
from dataclasses import dataclass

import numpy as np

from eyas.arena.battles import Battles, Floats, Ints
from eyas.arena.bradley_terry import Fit, fit, rows_of
from eyas.arena.elo import K, online_elo
from eyas.arena.intervals import Gauge, bootstrap, posterior_covariance, sandwich_covariance
from eyas.arena.length import length_covariate
from eyas.arena.planning import battles_needed, information, next_pairs
from eyas.arena.ranking import Structure, ranks, structure, warnings
from eyas.arena.scale import AVERAGE, POINTS, Z95
from eyas.errors import EyasError

MANY_MODELS = 200
"""Above this no next pair is looked for: the search compares every pair with every other."""


FEW = 30
"""With fewer prompts (or battles), the sandwich and the bootstrap are not trusted to be narrower than the curvature."""


@dataclass(frozen=True)
class Settings:
    """How to rate. `prior_sd` in points, `math.inf` for none; `bootstrap_rounds` 0 means sandwich intervals."""

    davidson: bool = False
    side: bool = False
    prior_sd: float = 400.0
    anchor: str | None = None
    anchor_rating: float | None = None
    bootstrap_rounds: int = 0
    elo_k: float = K
    seed: int = 0


@dataclass(frozen=True)
class Gap:
    """From a model to the next one below: points with a 95 % interval, and how many battles between the two would tell
    it from zero (0: told already; None: nothing to go by)."""

    to: str
    points: float
    low: float
    high: float
    battles_needed: int | None


@dataclass(frozen=True)
class Standing:
    """A line of the board. `low` or `high` is None where the battles set no such end (never beaten, never won).

    `wins`, `losses`, `ties` count battles (a score above one half is a win); `win_rate` is the mean score; `elo` is the
    online ticker.
    """

    model: str
    rank: int
    rating: float
    low: float | None
    high: float | None
    pool: int
    battles: int
    wins: int
    losses: int
    ties: int
    win_rate: float
    elo: float
    next_below: Gap | None


@dataclass(frozen=True)
class Effect:
    """What else decides battles, in points: the first place, or an answer longer by one unit of the covariate."""

    name: str
    points: float
    low: float
    high: float


@dataclass(frozen=True)
class Meeting:
    """A pair for the next battle, and the share of the doubt about the order it should take away."""

    model_a: str
    model_b: str
    gain: float


@dataclass(frozen=True)
class Board:
    """`standings` best first, pool after pool. `tie_nu` is Davidson's nu; `both_bad` counts among the ties."""

    name: str
    battles: int
    prompts: int | None
    ties: int
    both_bad: int
    prior_sd: float
    tie_nu: float | None
    standings: list[Standing]
    effects: list[Effect]
    next_pairs: list[Meeting]
    warnings: list[str]


def make_board(battles: Battles, name: str = "all", settings: Settings | None = None) -> Board:
    """Rate the models of `battles`. Raises EyasError where the settings and the battles do not fit together."""
    settings = settings or Settings()
    plain = np.isin(battles.score, (0.0, 0.5, 1.0))
    if settings.davidson and not plain.all():
        raise EyasError("Davidson's model counts wins, losses and ties, not shares of a win; use --ties half")
    if settings.bootstrap_rounds and math.isinf(settings.prior_sd):
        raise EyasError("a bootstrap draws battles without a most probable rating; give a finite --prior-sd")
    names, x = _covariates(battles, settings.side)
    rows = rows_of(battles, x)
    graph = structure(len(battles.models), battles.a, battles.b, battles.score)
    prior_sd = settings.prior_sd / POINTS
    found = fit(rows, prior_sd=prior_sd, davidson=settings.davidson)
    gauge = Gauge(graph.pool, graph.main)
    believed = posterior_covariance(found, gauge)
    covariance = sandwich_covariance(rows, found, gauge, battles.prompt)
    at = gauge.centring(len(believed)) @ found.parameters()
    half = Z95 * np.sqrt(np.maximum(np.diag(covariance), 0))
    low, high = at - half, at + half
    if settings.bootstrap_rounds:
        times, seed = settings.bootstrap_rounds, settings.seed
        drawn = bootstrap(rows, found, gauge, battles.prompt, prior_sd=prior_sd, rounds=times, seed=seed)
        low, high = np.quantile(drawn, 0.025, axis=0), np.quantile(drawn, 0.975, axis=0)
        covariance = np.cov(drawn, rowvar=False)
    k = len(battles.models)
    # Few prompts, or points that flow one way only, hardly vary and leave both too sure: the curvature's width holds.
    thin = graph.leaning | (_independent(battles) < FEW)
    careful = np.append(thin, np.full(len(at) - k, _clusters(battles) < FEW))
    wide = Z95 * np.sqrt(np.maximum(np.diag(believed), 0))
    low = np.where(careful, np.minimum(low, at - wide), low)
    high = np.where(careful, np.maximum(high, at + wide), high)
    spread, believed_spread = _gap_variances(covariance[:k, :k]), _gap_variances(believed[:k, :k])
    spread = np.where(thin[:, None] | thin[None, :], np.maximum(spread, believed_spread), spread)
    low[:k][graph.winless & graph.leaning] = -math.inf
    high[:k][graph.unbeaten & graph.leaning] = math.inf
    return Board(
        name=name,
        battles=len(battles),
        prompts=None if battles.prompt is None else _clusters(battles),
        ties=int(battles.tied.sum()),
        both_bad=int(battles.both_bad.sum()),
        prior_sd=settings.prior_sd,
        tie_nu=None if found.log_tie is None else math.exp(found.log_tie),
        standings=_standings(battles, settings, graph, found, at, low, high, spread),
        effects=[
            Effect(one, POINTS * float(at[k + j]), POINTS * float(low[k + j]), POINTS * float(high[k + j]))
            for j, one in enumerate(names)
        ],
        next_pairs=_meetings(battles, found),
        warnings=warnings(battles, graph),
    )


def _clusters(battles: Battles) -> int:
    """How many prompts there are, or battles where prompts are unknown."""
    return len(battles) if battles.prompt is None else len(np.unique(battles.prompt))


def _independent(battles: Battles) -> Ints:
    """(models,) on how many prompts, or in how many battles, each model fought."""
    cluster = np.arange(len(battles)) if battles.prompt is None else battles.prompt
    seen = np.unique(np.stack([np.concatenate([battles.a, battles.b]), np.tile(cluster, 2)]), axis=1)
    return np.asarray(np.bincount(seen[0], minlength=len(battles.models)), dtype=np.int64)


def _gap_variances(covariance: Floats) -> Floats:
    """(models, models) variances of the differences of ratings."""
    own = np.diag(covariance)
    return np.asarray(np.maximum(own[:, None] + own[None, :] - 2 * covariance, 0.0))


def _covariates(battles: Battles, side: bool) -> tuple[list[str], Floats]:
    columns: dict[str, Floats] = {}
    if side:
        columns["first place"] = np.ones(len(battles))
    if battles.lengths is not None:
        columns["longer answer"] = length_covariate(battles.lengths)
    return list(columns), np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(battles), 0))


def _standings(
    battles: Battles,
    settings: Settings,
    graph: Structure,
    found: Fit,
    at: Floats,
    low: Floats,
    high: Floats,
    spread: Floats,
) -> list[Standing]:
    k = len(battles.models)
    base = np.full(k, AVERAGE)
    if settings.anchor in battles.models:
        pinned = battles.models.index(settings.anchor)
        wanted = AVERAGE if settings.anchor_rating is None else settings.anchor_rating
        base[graph.pool == graph.pool[pinned]] = wanted - POINTS * at[pinned]
    place = ranks(low[:k], high[:k], graph.pool)
    elo = online_elo(battles, settings.elo_k)
    both = np.concatenate([battles.a, battles.b])
    scores = np.concatenate([battles.score, 1 - battles.score])
    fought = np.bincount(both, minlength=k)
    wins, losses, ties = (np.bincount(both[mask], minlength=k) for mask in (scores > 0.5, scores < 0.5, scores == 0.5))
    rates = np.bincount(both, scores, k) / fought
    order = sorted(range(k), key=lambda i: (int(graph.pool[i]), -float(at[i]), battles.models[i]))
    tie_share = float(battles.tied.mean())
    lines = []
    for i, below in zip(order, [*order[1:], None], strict=True):
        gap = None
        if below is not None and graph.pool[below] == graph.pool[i]:
            gap = _gap(battles, graph, found, at, spread, tie_share, i, below)
        lines.append(
            Standing(
                model=battles.models[i],
                rank=int(place[i]),
                rating=float(base[i] + POINTS * at[i]),
                low=_end(base[i] + POINTS * low[i]),
                high=_end(base[i] + POINTS * high[i]),
                pool=int(graph.pool[i]),
                battles=int(fought[i]),
                wins=int(wins[i]),
                losses=int(losses[i]),
                ties=int(ties[i]),
                win_rate=float(rates[i]),
                elo=float(elo[i]),
                next_below=gap,
            )
        )
    return lines


def _end(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _gap(
    battles: Battles, graph: Structure, found: Fit, at: Floats, spread: Floats, tie_share: float, i: int, j: int
) -> Gap:
    gap = float(at[i] - at[j])
    variance = float(spread[i, j])
    half = Z95 * math.sqrt(variance)
    # Between two groups the gap is the prior's: no number of battles follows from it.
    same = graph.group[i] == graph.group[j]
    needed = battles_needed(gap, variance, information(gap, tie_share, found.log_tie)) if same else None
    return Gap(battles.models[j], POINTS * gap, POINTS * (gap - half), POINTS * (gap + half), needed)


def _meetings(battles: Battles, found: Fit) -> list[Meeting]:
    k = len(battles.models)
    if k > MANY_MODELS:
        return []
    # All models on one scale here, pools included: a pair that was never compared is the most open of all.
    believed = posterior_covariance(found, Gauge(np.zeros(k, dtype=np.int64), np.ones(k, dtype=np.bool_)))[:k, :k]
    return [
        Meeting(battles.models[one.a], battles.models[one.b], one.gain) for one in next_pairs(found.theta, believed)
    ]
