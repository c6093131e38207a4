"""Intervals: whole runs are drawn, and what has no answer is not called certain."""

import numpy as np
import pytest

from eyas.scaling.bootstrap import interval, replicate_laws, resampled
from eyas.scaling.law import Law
from eyas.scaling.table import Runs
from tests.scaling.tables import KNOWN, as_runs, grid


def test_rows_of_a_run_are_drawn_together() -> None:
    n, d, loss = grid()
    runs = Runs(n, d, 6 * n * d, loss, np.arange(25) // 5, np.arange(25))
    drawn = resampled(runs, 40, seed=0).reshape(40, 5, 5)
    assert (drawn == drawn[:, :, :1]).all() and (drawn[:, :, 0].sum(1) == 5).all()
    assert runs.clusters == 5


def test_a_seed_gives_the_same_draws() -> None:
    runs = as_runs(*grid())
    assert (resampled(runs, 5, 1) == resampled(runs, 5, 1)).all()
    assert (resampled(runs, 5, 1) != resampled(runs, 5, 2)).any()


def test_intervals_hold_the_truth_and_shrink_with_the_noise() -> None:
    widths, held = [], 0
    for noise in (0.002, 0.01):
        for seed in range(4):
            n, d, loss = grid(noise=noise, sizes=6, lengths=6, seed=seed)
            laws = replicate_laws(as_runs(n, d, loss), 100, seed=0)
            found = interval(0.34, laws[:, 3])
            held += found.low <= KNOWN.alpha <= found.high
        widths.append(found.high - found.low)
    assert held >= 6 and widths[0] < widths[1] / 2


def test_runs_that_share_their_luck_widen_the_interval() -> None:
    n, d, loss = grid(sizes=6, lengths=6)
    luck = np.random.default_rng(0).normal(0, 0.01, 6)
    run = np.unique(n, return_inverse=True)[1]
    shared = Runs(n, d, 6 * n * d, loss * np.exp(luck[run]), run, np.arange(36))
    alone = Runs(n, d, 6 * n * d, shared.loss, np.arange(36), np.arange(36))
    far = [[float(Law.of(one).loss(1e10, 1e11)) for one in replicate_laws(runs, 100, 0)] for runs in (shared, alone)]
    assert np.subtract(*np.percentile(far[0], [90, 10])) > np.subtract(*np.percentile(far[1], [90, 10]))


def test_an_interval_is_percentiles() -> None:
    found = interval(5.0, np.arange(1001))
    assert (found.value, found.low, found.high) == (5.0, pytest.approx(25), pytest.approx(975))


@pytest.mark.parametrize("answers", [[], [np.nan] * 5, [1.0] * 9 + [np.inf]])
def test_without_an_answer_the_interval_is_endless(answers: list[float]) -> None:
    found = interval(1.0, answers)
    assert (found.low, found.high) == (-np.inf, np.inf)
