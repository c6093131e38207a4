"""Text that is read again: what it is worth, and how strongly weights decay for it."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eyas.train.repeats import suiting_decay, worth


def test_text_read_again_is_worth_less_and_less() -> None:
    assert worth(5e6, math.inf) == worth(5e6, 5e6) == 5e6
    reads = worth(np.arange(1, 9) * 1e6, 1e6)
    gains = np.diff(reads)
    assert (gains > 0).all() and (np.diff(gains) < 0).all() and gains[0] > 0.6e6
    assert worth(1e12, 1e6) < 2.3e6


@given(st.floats(0, 100), st.floats(0, 100), st.integers(1, 10**6))
def test_weights_decay_more_the_more_often_text_is_read(one: float, other: float, steps: int) -> None:
    few, many = sorted((one, other))
    assert 0.01 == suiting_decay(1, steps, 0.02) <= suiting_decay(few, steps, 0.02)
    assert suiting_decay(few, steps, 0.02) <= suiting_decay(many, steps, 0.02) <= 3


def test_the_decay_of_a_step_follows_the_rate_and_the_length_of_the_run() -> None:
    once = suiting_decay(4, 400, 0.02)
    assert suiting_decay(4, 800, 0.02) == suiting_decay(4, 400, 0.04) == once / 2
