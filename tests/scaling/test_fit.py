"""Known laws are found again, outliers do not bend them, and tables that tell nothing give no silly numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.scaling.fit import HIGHEST, LOWEST, fit, fit_weighted, huber
from eyas.scaling.law import Law
from tests.scaling.tables import KNOWN, grid


@settings(max_examples=25, deadline=None)
@given(
    st.builds(
        Law,
        E=st.floats(0.3, 3),
        A=st.floats(50, 2000),
        B=st.floats(50, 5000),
        alpha=st.floats(0.2, 0.6),
        beta=st.floats(0.2, 0.6),
    )
)
def test_a_law_is_found_from_its_own_losses(law: Law) -> None:
    n, d, loss = grid(law)
    found = fit(n, d, loss)
    assert np.allclose(found.loss(n, d), loss, rtol=2e-4)
    assert abs(found.E - law.E) < 0.03
    # Far beyond the table too.
    assert float(found.loss(1e11, 1e12)) == pytest.approx(float(law.loss(1e11, 1e12)), rel=0.02)


def test_a_law_is_found_to_many_digits() -> None:
    found = fit(*grid())
    assert found.as_array() == pytest.approx(KNOWN.as_array(), rel=1e-3)


def test_a_law_is_found_under_noise() -> None:
    found = fit(*grid(noise=0.005, sizes=8, lengths=8))
    assert abs(found.E - 1.7) < 0.15
    assert (found.alpha, found.beta) == (pytest.approx(0.34, abs=0.05), pytest.approx(0.3, abs=0.05))


def test_it_ends_no_higher_than_a_search_from_the_truth() -> None:
    """The original fit's fault was to stop early: no law nearby may have a lower Huber loss."""
    n, d, loss = grid(noise=0.01, sizes=7, lengths=7, seed=3)

    def value(law: Law) -> float:
        return float(huber(np.log(law.loss(n, d)) - np.log(loss), 1e-3).sum())

    found = fit(n, d, loss)
    least = value(found)
    assert least <= value(KNOWN)
    rng = np.random.default_rng(0)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(100):
            near = Law.of(found.as_array() * np.exp(rng.normal(0, size, 5)))
            assert value(near) >= least * (1 - 1e-4)


def test_a_few_spoiled_runs_do_not_bend_the_law() -> None:
    n, d, loss = grid(noise=0.002, sizes=6, lengths=6)
    spoiled = loss.copy()
    spoiled[[3, 20]] *= 1.5
    assert fit(n, d, spoiled).loss(n, d) == pytest.approx(fit(n, d, loss).loss(n, d), rel=0.01)


def test_units_of_the_loss_and_of_n_do_not_matter() -> None:
    n, d, loss = grid(noise=0.003)
    here, there = fit(n, d, loss), fit(n * 1e3, d, loss / np.log(2))
    assert (there.alpha, there.beta) == (pytest.approx(here.alpha, rel=1e-2), pytest.approx(here.beta, rel=1e-2))
    assert there.E * np.log(2) == pytest.approx(here.E, rel=1e-2)


def test_a_weight_of_two_is_a_row_twice() -> None:
    n, d, loss = grid(noise=0.005)
    weights = np.ones((1, len(n)))
    weights[0, :7] = 2
    once = Law.of(fit_weighted(n, d, loss, weights)[0])
    twice = fit(*(np.concatenate([values, values[:7]]) for values in (n, d, loss)))
    assert once.loss(n, d) == pytest.approx(twice.loss(n, d), rel=2e-3)


def test_many_weightings_at_once_are_the_same_as_one_by_one() -> None:
    n, d, loss = grid(noise=0.005)
    weights = np.random.default_rng(1).integers(1, 4, (4, len(n))).astype(float)
    together = fit_weighted(n, d, loss, weights)
    for row, each in zip(together, weights, strict=True):
        assert Law.of(row).loss(n, d) == pytest.approx(Law.of(fit_weighted(n, d, loss, each[None])[0]).loss(n, d))


def test_a_term_that_is_not_there_is_nothing() -> None:
    n, d, _ = grid()
    assert abs(fit(n, d, 2 + 600 * d**-0.3).A) < 1e-3
    flat = fit(n, d, np.full(len(n), 2.0))
    assert flat.loss(n, d) == pytest.approx(2.0, rel=1e-4)


@pytest.mark.parametrize("kind", ["noise", "rising", "zero floor", "one size"])
def test_hopeless_tables_give_finite_laws_within_the_search(kind: str) -> None:
    n, d, loss = grid()
    if kind == "noise":
        loss = np.random.default_rng(0).uniform(1, 9, len(n))
    elif kind == "rising":
        loss = 1 + 1e-3 * n**0.3
    elif kind == "zero floor":
        loss = 400 * n**-0.34 + 600 * d**-0.3
    else:
        n = np.full(len(n), 1e8)
    found = fit(n, d, loss)
    assert np.isfinite(found.as_array()).all() and (found.as_array() >= 0).all()
    assert LOWEST <= found.alpha <= HIGHEST and LOWEST <= found.beta <= HIGHEST
    assert np.abs(np.log(found.loss(n, d) / loss)).max() < 3


def test_a_floor_that_is_known_bounds_e_and_mends_a_table_too_small_to_show_it() -> None:
    truth = Law(E=0.37, A=1e4, B=5e3, alpha=0.8, beta=0.7)
    n, d = (side.ravel() for side in np.meshgrid([3e5, 6e5, 1e6, 1.5e6], [5e5, 1e6, 2e6]))
    loss = truth.loss(n, d) * np.exp(np.random.default_rng(2).normal(0, 0.02, len(n)))
    free, bounded = fit(n, d, loss), fit(n, d, loss, floor=0.36)
    assert free.E < 0.36 <= bounded.E
    expected = float(truth.loss(3e6, 4e6))
    assert abs(float(bounded.loss(3e6, 4e6)) - expected) < 0.5 * abs(float(free.loss(3e6, 4e6)) - expected)


def test_huber_is_square_then_straight() -> None:
    assert huber(np.array([0.5, -0.5, 1.0, 3.0]), 1.0) == pytest.approx([0.125, 0.125, 0.5, 2.5])
