"""Who should meet next, among models of which some may not have fought yet."""

from collections.abc import Sequence

import numpy as np

from eyas.arena.battles import Battles
from eyas.arena.board import Settings
from eyas.arena.bradley_terry import fit, rows_of
from eyas.arena.intervals import Gauge, posterior_covariance
from eyas.arena.planning import next_pairs
from eyas.arena.scale import POINTS


def pairs_worth_a_battle(models: Sequence[str], fought: Sequence[tuple[str, str, str]]) -> list[tuple[str, str]]:
    """All pairs of `models`, those first whose battle tells most about the order.

    `fought` holds model A, model B and the winner (model_a, model_b, tie, both_bad) of each battle so far; battles of
    models that are not among `models` do not count.
    """
    place = {name: number for number, name in enumerate(models)}
    met = [(place[a], place[b], winner) for a, b, winner in fought if a in place and b in place and a != b]
    score = {"model_a": 1.0, "model_b": 0.0}
    battles = Battles(
        models=tuple(models),
        a=np.array([a for a, _, _ in met], dtype=np.int64),
        b=np.array([b for _, b, _ in met], dtype=np.int64),
        score=np.array([score.get(winner, 0.5) for _, _, winner in met], dtype=np.float64),
        both_bad=np.zeros(len(met), dtype=np.bool_),
    )
    found = fit(rows_of(battles), prior_sd=Settings().prior_sd / POINTS)
    k = len(models)
    together = Gauge(np.zeros(k, dtype=np.int64), np.ones(k, dtype=np.bool_))
    believed = posterior_covariance(found, together)[:k, :k]
    return [(models[one.a], models[one.b]) for one in next_pairs(found.theta, believed, count=k * (k - 1) // 2)]
