"""Kappa of people and judges."""

from dataclasses import replace

import numpy as np
import pytest

from eyas.arena.agreement import agreement, kappa
from tests.arena.making import battles_of


def test_kappa_of_a_known_table() -> None:
    # Two readers of 50 grant proposals: 20 yes/yes, 5, 10, 15 no/no give kappa 0.4.
    assert kappa(np.array([[20.0, 5.0], [10.0, 15.0]])) == pytest.approx(0.4)
    assert kappa(np.array([[7.0, 0.0], [0.0, 0.0]])) == 1.0


def test_verdicts_on_the_same_battle_are_paired_whatever_the_sides() -> None:
    battles = battles_of([("a", "b", 1.0), ("b", "a", 0.0), ("a", "b", 0.5), ("a", "b", 0.0), ("a", "c", 1.0)])
    battles = replace(battles, prompt=np.array([0, 0, 1, 1, 2]))
    found = agreement(battles, np.array([True, False, True, False, True]))
    assert found is not None and found.pairs == 2 and found.share == 0.5
    assert found.low <= found.kappa <= found.high


def test_without_common_battles_there_is_nothing_to_agree_on() -> None:
    battles = battles_of([("a", "b", 1.0), ("a", "b", 0.0)])
    people = np.array([True, False])
    assert agreement(battles, people) is None
    assert agreement(replace(battles, prompt=np.array([0, 1])), people) is None
