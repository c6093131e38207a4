"""Valleys of one budget: found, measured, and told apart from none."""

import numpy as np
import pytest

from eyas.errors import EyasError
from eyas.scaling.isoflop import find_isoflops
from eyas.scaling.table import Runs
from tests.scaling.tables import KNOWN, as_runs, grid, isoflops


def weights(runs: Runs, times: int = 50) -> np.ndarray:
    return np.random.default_rng(0).multinomial(len(runs), np.full(len(runs), 1 / len(runs)), size=times).astype(float)


def test_the_valleys_bottom_where_the_law_does() -> None:
    runs = isoflops()
    found = find_isoflops(runs, weights(runs))
    assert [round(np.log10(one.flops)) for one in found.valleys] == [17, 18, 19, 20]
    for valley in found.valleys:
        n, d = KNOWN.best_run(valley.flops)
        assert valley.n == pytest.approx(n, rel=0.1) and valley.d == pytest.approx(d, rel=0.1)
        assert valley.loss == pytest.approx(float(KNOWN.loss(n, d)), rel=0.002)
    assert found.n_exponent is not None and found.d_exponent is not None
    assert found.n_exponent.value == pytest.approx(KNOWN.n_exponent, abs=0.02)
    assert found.d_exponent.value == pytest.approx(1 - found.n_exponent.value)


def test_budgets_that_differ_a_little_are_one_budget() -> None:
    runs = isoflops()
    luck = np.exp(np.random.default_rng(2).uniform(-0.07, 0.07, len(runs)))
    uneven = as_runs(runs.n, runs.d * luck, KNOWN.loss(runs.n, runs.d * luck))
    found = find_isoflops(uneven, weights(uneven))
    assert len(found.valleys) == 4
    for valley in found.valleys:
        assert valley.n == pytest.approx(KNOWN.best_run(valley.flops)[0], rel=0.2)


def test_runs_that_share_no_budget_make_no_valley() -> None:
    n, d, loss = grid(sizes=4, lengths=4)
    found = find_isoflops(as_runs(n, d * (1 + np.arange(16) / 7), loss), np.ones((5, 16)))
    assert found.n_exponent is None and found.d_exponent is None


def test_a_slope_is_no_valley() -> None:
    runs = isoflops()
    kept = np.flatnonzero(np.arange(len(runs)) % 7 < 5)
    steep = as_runs(runs.n[kept], runs.d[kept], runs.n[kept] ** -0.3 * 1e3)
    found = find_isoflops(steep, np.ones((5, len(kept))))
    assert found.valleys and all(one.n is None for one in found.valleys) and found.n_exponent is None


def test_a_budget_that_is_asked_for_must_be_there() -> None:
    runs = isoflops()
    assert [one.flops for one in find_isoflops(runs, weights(runs), [1e18]).valleys] == [pytest.approx(1e18)]
    with pytest.raises(EyasError, match=r"--budget 5e\+18: a parabola needs 5 sizes within 15 % .* the table has 0"):
        find_isoflops(runs, weights(runs), [5e18])
