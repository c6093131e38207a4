"""What battles can tell at all."""

import numpy as np

from eyas.arena.ranking import Structure, ranks, structure, warnings
from tests.arena.making import battles_of, rows_between

Fought = list[tuple[str, str, float]]


def look(fought: Fought) -> tuple[Structure, list[str]]:
    battles = battles_of(fought)
    found = structure(len(battles.models), battles.a, battles.b, battles.score)
    return found, warnings(battles, found)


def test_a_ring_of_wins_is_one_group_and_nothing_is_warned_of() -> None:
    found, told = look([("a", "b", 1.0), ("b", "c", 1.0), ("c", "a", 1.0)])
    assert found.group.tolist() == [0, 0, 0] and found.main.all() and not found.leaning.any() and told == []


def test_half_a_point_ties_models_together() -> None:
    found, told = look([("a", "b", 1.0), ("a", "b", 0.5)])
    assert found.group.tolist() == [0, 0] and told == []


def test_the_undefeated_and_the_winless_are_named() -> None:
    found, told = look(rows_between("b", "c", 3, 3) + rows_between("a", "b", 5, 0) + rows_between("c", "d", 5, 0))
    assert found.main.tolist() == [False, True, True, False]
    assert found.unbeaten.tolist() == [True, False, False, False] and found.winless.tolist() == [False] * 3 + [True]
    assert len(told) == 2 and told[0].startswith("a never lost a point") and told[1].startswith("d never took a point")


def test_pools_that_never_met_are_told_apart_the_largest_first() -> None:
    found, told = look(rows_between("x", "y", 2, 2) + rows_between("a", "b", 2, 2) + rows_between("b", "c", 2, 2))
    assert found.pool.tolist() == [0, 0, 0, 1, 1]
    assert told[0].startswith("2 pools of models were never compared with each other (a, b, c; x, y)")


def test_a_group_that_only_won_against_the_rest_is_told() -> None:
    found, told = look(
        rows_between("a", "b", 2, 2)
        + rows_between("b", "c", 3, 0)
        + rows_between("c", "d", 2, 2)
        + rows_between("d", "e", 2, 2)
    )
    assert (
        found.main.tolist() == [False, False, True, True, True] and found.leaning.tolist() == [True, True] + [False] * 3
    )
    assert told == [
        "between a, b and the others points went one way only: how far they stand apart comes from the prior alone"
    ]


def test_a_ladder_leans_on_the_prior_as_a_whole() -> None:
    found, told = look([("a", "b", 1.0), ("b", "c", 1.0), ("a", "c", 1.0)])
    assert found.main.all() and found.leaning.all()
    assert [sentence[:1] for sentence in told] == ["a", "c", "b"]


def test_a_rank_counts_the_intervals_wholly_above() -> None:
    low, high = np.array([10.0, 5.0, 1.0, -np.inf, 100.0]), np.array([12.0, 11.0, 6.0, 20.0, 110.0])
    assert ranks(low, high, np.array([0, 0, 0, 0, 1])).tolist() == [1, 1, 2, 1, 1]
