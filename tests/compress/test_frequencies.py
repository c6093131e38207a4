"""Shares of the interval from logits."""

import hashlib
from decimal import Decimal

import numpy as np
import pytest

from eyas.compress.frequencies import frequencies, table
from eyas.errors import EyasError

NONE = np.array([], dtype=np.intp)


def test_the_table_is_exp_to_the_last_unit() -> None:
    shares = table()
    for place in (*range(0, 500), *range(500, len(shares), 37), len(shares) - 1):
        assert abs(int(shares[place]) - (Decimal(-place) / 256).exp() * 2**30) < Decimal("0.51")
    assert shares[0] == 2**30 and shares[-1] == 1 and (np.diff(shares.astype(np.int64)) <= 0).all()


def test_the_table_is_the_same_on_every_machine() -> None:
    """Zips that exist depend on every entry."""
    assert hashlib.sha256(table().astype("<u4").tobytes()).hexdigest()[:16] == "4f1d8154559a214a"


def test_golden_shares() -> None:
    logits = np.array([[0.0, -0.5, 1.25, -30.0, 1.2509765625]], dtype=np.float32)
    assert frequencies(logits, np.array([1])).tolist() == [[307632183, 0, 1073741824, 1, 1073741824]]


def test_shares_cost_next_to_nothing_against_the_softmax() -> None:
    logits = (np.random.default_rng(0).normal(size=(50, 4096)) * 4).astype(np.float32)
    exact = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    exact /= exact.sum(1, keepdims=True)
    found = frequencies(logits.copy(), NONE).astype(np.float64)
    found /= found.sum(1, keepdims=True)
    lost = (exact * np.log2(exact / found)).sum(1)
    assert lost.max() < 1e-4


def test_what_no_text_holds_gets_nothing_however_probable() -> None:
    logits = np.array([[100.0, 0.0, 0.0]], dtype=np.float32)
    assert frequencies(logits, np.array([0])).tolist() == [[0, 2**30, 2**30]]


def test_everything_else_gets_something() -> None:
    logits = np.array([[1000.0, -1000.0, -np.inf]], dtype=np.float32)
    assert frequencies(logits, NONE).tolist() == [[2**30, 1, 1]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_model_that_gives_no_numbers_is_refused(bad: float) -> None:
    with pytest.raises(EyasError, match="no numbers"):
        frequencies(np.array([[0.0, bad]], dtype=np.float32), NONE)
