"""The most probable ratings: known values, the oracle, and what must not change them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eyas.arena.bradley_terry import Rows, by_pair, derivatives, fit, gather, gather_square, rows_of
from eyas.arena.scale import POINTS
from eyas.errors import EyasError
from tests.arena.making import battles_of, rows_between, simulated

PRIOR = 400 / POINTS
FOUGHT = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 4), st.sampled_from((0.0, 0.5, 1.0))), min_size=1, max_size=40
).map(lambda rows: [(f"m{a}", f"m{(a + step) % 5}", score) for a, step, score in rows])


def ratings(fought: list[tuple[str, str, float]], davidson: bool = False) -> dict[str, float]:
    battles = battles_of(fought)
    found = fit(rows_of(battles), prior_sd=PRIOR, davidson=davidson)
    return dict(zip(battles.models, found.theta.tolist(), strict=True))


def test_two_models_without_a_prior_differ_by_their_odds() -> None:
    found = fit(rows_of(battles_of(rows_between("a", "b", 30, 10))), prior_sd=math.inf)
    assert found.theta[0] - found.theta[1] == pytest.approx(math.log(3), abs=1e-12)
    tied = fit(rows_of(battles_of(rows_between("a", "b", 25, 5, 10))), prior_sd=math.inf)
    assert tied.theta[0] - tied.theta[1] == pytest.approx(math.log(3), abs=1e-12)


def test_davidson_of_two_models_in_closed_form() -> None:
    found = fit(rows_of(battles_of(rows_between("a", "b", 36, 9, 27))), prior_sd=math.inf, davidson=True)
    assert found.log_tie is not None
    assert found.theta[0] - found.theta[1] == pytest.approx(math.log(4), abs=1e-10)
    assert math.exp(found.log_tie) == pytest.approx(27 / math.sqrt(36 * 9), abs=1e-10)


def test_a_prior_keeps_an_undefeated_model_finite() -> None:
    """The slope at the maximum is zero: 20 (1 - sigmoid(gap)) = theta / sd^2."""
    found = fit(rows_of(battles_of(rows_between("a", "b", 20, 0))), prior_sd=PRIOR)
    gap = found.theta[0] - found.theta[1]
    assert found.theta.sum() == pytest.approx(0, abs=1e-9)
    assert 20 / (1 + math.exp(gap)) == pytest.approx(found.theta[0] / PRIOR**2, abs=1e-9)


@pytest.mark.parametrize(
    "fought",
    [
        rows_between("a", "b", 20, 0),
        rows_between("a", "b", 3, 3) + rows_between("c", "d", 3, 3),
        rows_between("a", "b", 3, 3) + rows_between("a", "c", 3, 0),
    ],
)
def test_without_a_prior_what_has_no_answer_is_refused(fought: list[tuple[str, str, float]]) -> None:
    with pytest.raises(EyasError, match="give a finite --prior-sd"):
        fit(rows_of(battles_of(fought)), prior_sd=math.inf)


def test_davidson_without_a_tie_needs_a_prior() -> None:
    rows = rows_of(battles_of(rows_between("a", "b", 3, 2)))
    with pytest.raises(EyasError, match="no tie for Davidson's model"):
        fit(rows, prior_sd=math.inf, davidson=True)
    assert fit(rows, prior_sd=PRIOR, davidson=True).log_tie is not None


@pytest.mark.parametrize("log_tie", [None, -0.3])
def test_derivatives_are_those_of_the_likelihood(log_tie: float | None) -> None:
    rng = np.random.default_rng(0)
    battles = simulated(rng, np.array([900.0, 1000.0, 1100.0]), 6, nu=0.7)
    rows = rows_of(battles, rng.normal(size=(len(battles), 2)))
    at = np.array([0.3, -0.1, 0.2, 0.5, -0.4, *([] if log_tie is None else [log_tie])])

    def value(p: np.ndarray) -> float:
        return derivatives(rows, p[:3], p[3:5], None if log_tie is None else float(p[5])).value

    seen = derivatives(rows, at[:3], at[3:5], log_tie)
    slope = gather(rows, seen.u, seen.t, log_tie is not None)
    square = gather_square(rows, seen.uu, seen.ut, seen.tt, log_tie is not None)
    step = 1e-4 * np.eye(len(at))
    by_hand = np.array([(value(at + e) - value(at - e)) / 2e-4 for e in step])
    np.testing.assert_allclose(slope, by_hand, atol=1e-6)
    twice = [
        [(value(at + e + f) - value(at + e - f) - value(at - e + f) + value(at - e - f)) / 4e-8 for f in step]
        for e in step
    ]
    np.testing.assert_allclose(square, twice, atol=1e-4)


def test_covariates_are_found_again() -> None:
    """Battles in which standing first is worth 100 points."""
    rng = np.random.default_rng(1)
    k, n = 4, 6000
    theta = np.array([-0.5, 0.0, 0.2, 0.3])
    a, step = rng.integers(0, k, n), rng.integers(1, k, n)
    b = (a + step) % k
    first = 100 / POINTS
    won = (rng.random(n) < 1 / (1 + np.exp(-(theta[a] - theta[b] + first)))).astype(float)
    rows = Rows(k, a, b, won, 1 - won, np.zeros(n), np.ones((n, 1)))
    found = fit(rows, prior_sd=PRIOR)
    assert POINTS * found.beta[0] == pytest.approx(100, abs=3 * POINTS * 2 / math.sqrt(n))
    np.testing.assert_allclose(found.theta, theta, atol=0.12)


def test_merging_battles_of_a_pair_changes_nothing() -> None:
    rows = rows_of(simulated(np.random.default_rng(2), np.array([900.0, 1000.0, 1100.0]), 20, nu=0.5))
    merged, _, places = by_pair(rows)
    assert len(merged.a) == 3 and len(places) == 60
    theta, beta = np.array([0.1, 0.0, -0.1]), np.zeros(0)
    for log_tie in (None, 0.1):
        one, other = derivatives(rows, theta, beta, log_tie), derivatives(merged, theta, beta, log_tie)
        assert one.value == pytest.approx(other.value)


@settings(max_examples=60, deadline=None)
@given(fought=FOUGHT, davidson=st.booleans(), shift=st.integers(1, 4))
def test_names_sides_and_order_do_not_matter(fought: list[tuple[str, str, float]], davidson: bool, shift: int) -> None:
    found = ratings(fought, davidson)
    assert sum(found.values()) == pytest.approx(0, abs=1e-7)
    turned = ratings([(b, a, 1 - score) for a, b, score in reversed(fought)], davidson)
    renamed_names = {f"m{i}": f"m{(i + shift) % 5}" for i in range(5)}
    renamed = ratings([(renamed_names[a], renamed_names[b], score) for a, b, score in fought], davidson)
    mirrored = ratings([(a, b, 1 - score) for a, b, score in fought], davidson)
    for name, theta in found.items():
        assert turned[name] == pytest.approx(theta, abs=1e-7)
        assert renamed[renamed_names[name]] == pytest.approx(theta, abs=1e-7)
        assert mirrored[name] == pytest.approx(-theta, abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(fought=FOUGHT, davidson=st.booleans())
def test_one_more_win_lifts_the_winner_over_the_loser(fought: list[tuple[str, str, float]], davidson: bool) -> None:
    a, b, _ = fought[0]
    before, after = ratings(fought, davidson), ratings([*fought, (a, b, 1.0)], davidson)
    assert after[a] - after[b] > before[a] - before[b]


def test_evalica_finds_the_same() -> None:
    evalica = pytest.importorskip("evalica", reason="the peer for ratings is not here (pip install evalica)")
    battles = simulated(np.random.default_rng(3), np.array([850.0, 950.0, 1000.0, 1050.0, 1150.0]), 30, nu=0.6)
    names = list(battles.models)
    winner = evalica.Winner
    won = [winner.X if score == 1 else winner.Y if score == 0 else winner.Draw for score in battles.score]
    pairs = [names[i] for i in battles.a], [names[i] for i in battles.b]
    for davidson, method in ((False, evalica.bradley_terry), (True, evalica.newman)):
        scores = method(*pairs, won, tolerance=1e-13, limit=100_000).scores
        theirs = np.log([scores[name] for name in names])
        found = fit(rows_of(battles), prior_sd=math.inf, davidson=davidson)
        np.testing.assert_allclose(found.theta - found.theta.mean(), theirs - theirs.mean(), atol=1e-6)
