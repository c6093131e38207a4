"""Intervals: they hold the truth as often as they say, on prompts too."""

import numpy as np
import pytest

from eyas.arena.board import Settings, make_board
from eyas.arena.bradley_terry import fit, rows_of
from eyas.arena.intervals import Gauge, bootstrap, posterior_covariance, sandwich_covariance
from eyas.arena.scale import POINTS
from tests.arena.making import simulated

RATINGS = np.array([850.0, 960.0, 1000.0, 1040.0, 1150.0])
ALL = Gauge(np.zeros(5, dtype=np.int64), np.ones(5, dtype=np.bool_))
PRIOR = 400 / POINTS


@pytest.mark.parametrize(("nu", "each"), [(0.0, 12), (0.6, 20)])
def test_about_95_of_100_intervals_hold_the_true_rating(nu: float, each: int) -> None:
    rng, held = np.random.default_rng(0), []
    for _ in range(120):
        board = make_board(simulated(rng, RATINGS, each, nu=nu), settings=Settings(davidson=nu > 0))
        for one in board.standings:
            assert one.low is not None and one.high is not None
            held.append(one.low <= RATINGS[int(one.model)] <= one.high)
    assert 0.925 <= np.mean(held) <= 0.98


def test_without_ties_or_prompts_sandwich_and_curvature_agree() -> None:
    rows = rows_of(simulated(np.random.default_rng(1), RATINGS, 400))
    found = fit(rows, prior_sd=PRIOR)
    narrow, wide = sandwich_covariance(rows, found, ALL), posterior_covariance(found, ALL)
    np.testing.assert_allclose(np.diag(narrow), np.diag(wide), rtol=0.1)
    np.testing.assert_allclose(narrow.sum(0), 0, atol=1e-9)  # measured from the mean


def test_prompts_widen_intervals_to_what_repeated_arenas_show() -> None:
    """Models have good and bad prompts; the spread over many arenas is the truth that one arena must tell."""
    rng, means, clustered, single = np.random.default_rng(2), [], [], []
    for _ in range(150):
        battles = simulated(rng, RATINGS, 60, by_prompt=250)
        rows = rows_of(battles)
        found = fit(rows, prior_sd=PRIOR)
        means.append(found.theta)
        clustered.append(np.diag(sandwich_covariance(rows, found, ALL, battles.prompt)))
        single.append(np.diag(sandwich_covariance(rows, found, ALL)))
    truth = np.var(means, axis=0).mean()
    assert np.mean(clustered) == pytest.approx(truth, rel=0.15)
    assert np.mean(single) < 0.75 * truth


@pytest.mark.parametrize("nu", [0.0, 0.5])
def test_the_bootstrap_agrees_with_the_sandwich(nu: float) -> None:
    battles = simulated(np.random.default_rng(3), RATINGS, 60, nu=nu, by_prompt=200)
    rows = rows_of(battles)
    found = fit(rows, prior_sd=PRIOR, davidson=nu > 0)
    drawn = bootstrap(rows, found, ALL, battles.prompt, prior_sd=PRIOR, rounds=300, seed=0)
    wanted = np.sqrt(np.diag(sandwich_covariance(rows, found, ALL, battles.prompt)))
    np.testing.assert_allclose(drawn.std(0), wanted, rtol=0.2)
    again = bootstrap(rows, found, ALL, battles.prompt, prior_sd=PRIOR, rounds=5, seed=0)
    np.testing.assert_array_equal(again, bootstrap(rows, found, ALL, battles.prompt, prior_sd=PRIOR, rounds=5, seed=0))


def test_clusters_of_one_battle_are_no_clusters() -> None:
    rows = rows_of(simulated(np.random.default_rng(4), RATINGS, 10, nu=0.4), np.ones((100, 1)))
    found = fit(rows, prior_sd=PRIOR, davidson=True)
    one = sandwich_covariance(rows, found, ALL)
    np.testing.assert_allclose(sandwich_covariance(rows, found, ALL, np.arange(100)), one, atol=1e-12)
