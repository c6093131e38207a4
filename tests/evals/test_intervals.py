"""Wilson's interval against published figures, its definition and its promise."""

import json
import random
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.evals.intervals import wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_published_figures(hits: int, n: int, low: float, high: float) -> None:
    share = wilson(hits, n)
    assert (share.low, share.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))
    assert (share.hits, share.n, share.value) == (hits, n, hits / n)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_ends_are_the_shares_that_lie_just_so_far_from_what_was_seen(pair: tuple[int, int]) -> None:
    hits, n = pair
    share = wilson(hits, n)
    assert 0 <= share.low <= share.value <= share.high <= 1
    for end in (share.low, share.high):
        if 0 < end < 1:  # the definition: |seen - end| is z standard deviations of a share that is truly `end`
            assert abs(share.value - end) == pytest.approx(1.959964 * sqrt(end * (1 - end) / n), abs=1e-9)
    other = wilson(n - hits, n)
    assert (other.low, other.high) == (pytest.approx(1 - share.high), pytest.approx(1 - share.low))


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    rng = random.Random(0)
    for p, n in ((0.5, 50), (0.9, 200), (0.98, 500)):
        held = 0
        for _ in range(1000):
            share = wilson(sum(rng.random() < p for _ in range(n)), n)
            held += share.low <= p <= share.high
        assert 920 <= held <= 985, (p, n, held)


def test_nothing_tried_says_nothing() -> None:
    share = wilson(0, 0)
    assert (share.low, share.high, share.n) == (0.0, 1.0, 0)


@pytest.mark.parametrize(("hits", "n"), [(-1, 5), (6, 5), (1, 0), (0, -1)])
def test_impossible_counts_are_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match=rf"hits must lie in 0..n, got {hits} of {n}"):
        wilson(hits, n)


def test_a_share_is_shown_with_its_interval_and_written_as_json() -> None:
    share = wilson(81, 263)
    assert str(share) == "30.8% [25.5%, 36.6%] n=263"
    assert json.loads(json.dumps(share.as_json())) == share.as_json()
    assert set(share.as_json()) == {"hits", "n", "value", "low", "high"}
