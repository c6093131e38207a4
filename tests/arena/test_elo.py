"""The online ticker."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.arena.elo import expected_score, online_elo
from tests.arena.making import battles_of, simulated


def test_published_expectations() -> None:
    # The first game of FiveThirtyEight's table: 1503.947 at home (65 points) against 1300.
    assert expected_score(1503.947, 1300.0, 65.0) == pytest.approx(0.8246512009492516, abs=1e-12)
    assert expected_score(1400, 1000) == pytest.approx(10 / 11, abs=1e-12)


@given(st.floats(0, 3000), st.floats(0, 3000))
def test_what_one_expects_the_other_does_not(a: float, b: float) -> None:
    assert expected_score(a, b) + expected_score(b, a) == pytest.approx(1)


def test_one_battle_moves_both_by_the_same() -> None:
    assert online_elo(battles_of([("a", "b", 1.0)]), k=32).tolist() == [1016, 984]
    assert online_elo(battles_of([("a", "b", 0.5)]), k=32).tolist() == [1000, 1000]


def test_the_order_matters_which_is_why_it_is_only_a_ticker() -> None:
    forth = online_elo(battles_of([("a", "b", 1.0), ("a", "b", 0.0)]), k=32)
    back = online_elo(battles_of([("a", "b", 0.0), ("a", "b", 1.0)]), k=32)
    assert forth[0] < 1000 < back[0]


def test_evalica_ticks_alike() -> None:
    evalica = pytest.importorskip("evalica", reason="the peer for ratings is not here (pip install evalica)")
    battles = simulated(np.random.default_rng(0), np.array([900.0, 1000.0, 1100.0]), 20, nu=0.4)
    won = [
        evalica.Winner.X if score == 1 else evalica.Winner.Y if score == 0 else evalica.Winner.Draw
        for score in battles.score
    ]
    names = battles.models
    scores = evalica.elo([names[i] for i in battles.a], [names[i] for i in battles.b], won).scores
    np.testing.assert_allclose(online_elo(battles), [scores[name] for name in names], atol=1e-6)
