"""How many battles, and which ones."""

import math

import numpy as np
import pytest

from eyas.arena.bradley_terry import fit, rows_of
from eyas.arena.intervals import Gauge, posterior_covariance
from eyas.arena.planning import battles_needed, information, next_pairs
from eyas.arena.scale import POINTS, Z95
from tests.arena.making import battles_of, rows_between


def test_thirty_points_take_about_a_thousand_battles() -> None:
    needed = battles_needed(30 / POINTS, 1e9, information(30 / POINTS, 0.0, None))
    assert needed is not None and 1000 <= needed <= 1100


def test_after_so_many_battles_the_gap_is_told_from_zero_four_times_in_five() -> None:
    gap, rng = 30 / POINTS, np.random.default_rng(0)
    needed = battles_needed(gap, 1e9, information(gap, 0.0, None))
    assert needed is not None
    won = rng.binomial(needed, 1 / (1 + math.exp(-gap)), 4000) / needed
    found = np.log(won / (1 - won))
    told = np.mean(np.abs(found) > Z95 / np.sqrt(needed * won * (1 - won)))
    assert told == pytest.approx(0.8, abs=0.03)


def test_what_is_known_already_is_counted() -> None:
    fresh, later = (battles_needed(0.2, variance, 0.25) for variance in (1e9, 0.02))
    assert fresh is not None and later is not None and later < fresh
    assert battles_needed(0.5, 0.01, 0.25) == 0
    assert battles_needed(0.0, 0.01, 0.25) is None


def test_both_models_of_ties_say_how_much_a_battle_tells() -> None:
    """With a share t of ties, a gap of half-tie ratings is 1 - t of Davidson's; the battles needed agree."""
    nu = 2 * 0.3 / 0.7
    half = information(0.0, 0.3, None) * (0.7 * 0.1) ** 2
    davidson = information(0.0, 0.3, math.log(nu)) * 0.1**2
    assert half == pytest.approx(davidson, rel=1e-6)
    assert information(0.0, 0.0, None) == pytest.approx(0.25)


def test_the_next_pair_is_the_open_one_not_the_settled_one() -> None:
    fought = rows_between("a", "b", 21, 20) + rows_between("b", "c", 60, 3) + rows_between("a", "c", 60, 3)
    found = fit(rows_of(battles_of(fought)), prior_sd=400 / POINTS)
    covariance = posterior_covariance(found, Gauge(np.zeros(3, dtype=np.int64), np.ones(3, dtype=np.bool_)))
    best = next_pairs(found.theta, covariance)
    assert (best[0].a, best[0].b) == (0, 1) and best[0].gain > best[1].gain >= best[2].gain >= 0


def test_the_gain_is_the_shrink_that_a_battle_brings() -> None:
    covariance = np.diag([0.2, 0.2])
    told = 1 / 4  # the information of a battle between equals
    after = 1 / (1 / 0.4 + told)
    assert next_pairs(np.zeros(2), covariance)[0].gain == pytest.approx(1 - after / 0.4)
