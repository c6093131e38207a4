"""The law's own arithmetic."""

import numpy as np
import pytest

from eyas.scaling.law import Law
from tests.scaling.tables import KNOWN


def test_the_loss_is_the_floor_and_two_shares() -> None:
    assert float(KNOWN.loss(1e8, 1e9)) == pytest.approx(1.7 + 400 / 1e8**0.34 + 600 / 1e9**0.3)
    small, short = KNOWN.shares([1e8, 1e9], 1e9)
    assert np.allclose(KNOWN.loss([1e8, 1e9], 1e9), 1.7 + small + short)


@pytest.mark.parametrize("flops", [1e15, 1e21])
def test_no_other_split_of_a_budget_is_better(flops: float) -> None:
    n, d = KNOWN.best_run(flops)
    assert 6 * n * d == pytest.approx(flops)
    best = float(KNOWN.loss(n, d))
    assert all(float(KNOWN.loss(n * times, d / times)) > best for times in (0.8, 0.99, 1.01, 1.25))


def test_the_exponents_say_how_the_best_split_grows() -> None:
    (n, d), (more_n, more_d) = KNOWN.best_run(1e18), KNOWN.best_run(1e20)
    assert np.log(more_n / n) / np.log(100) == pytest.approx(KNOWN.n_exponent)
    assert np.log(more_d / d) / np.log(100) == pytest.approx(KNOWN.d_exponent)
    assert KNOWN.n_exponent + KNOWN.d_exponent == pytest.approx(1)


def test_published_compute_optimum() -> None:
    """Hoffmann et al. 2022, table A3, approach 3: for 5.76e23 FLOPs, Gopher's, 40e9 parameters (0.46 and 0.54)."""
    hoffmann = Law(1.69, 406.4, 410.7, 0.34, 0.28)
    assert hoffmann.n_exponent == pytest.approx(0.45, abs=0.01)
    assert 25e9 < hoffmann.best_run(5.76e23)[0] < 45e9


def test_without_a_term_there_is_no_balance() -> None:
    assert Law(1, 0, 5, 0.3, 0.3).best_run(1e18) == (0.0, float("inf"))
    assert Law(1, 5, 0, 0.3, 0.3).best_run(1e18)[0] == float("inf")


def test_a_law_is_its_five_numbers() -> None:
    assert Law.of(KNOWN.as_array()) == KNOWN and Law(**KNOWN.as_json()) == KNOWN
