"""The board as a whole: anchors, open ends, pools, length control, both bad."""

import math
from dataclasses import replace

import numpy as np
import pytest

from eyas.arena.board import Board, Settings, Standing, make_board
from eyas.arena.scale import POINTS
from eyas.errors import EyasError
from tests.arena.making import battles_of, rows_between, simulated

RATINGS = np.array([900.0, 1000.0, 1100.0])


def line(board: Board, model: str) -> Standing:
    return next(one for one in board.standings if one.model == model)


def test_the_mean_is_1000_and_an_anchor_moves_all_alike() -> None:
    battles = simulated(np.random.default_rng(0), RATINGS, 50)
    plain = make_board(battles)
    assert np.mean([one.rating for one in plain.standings]) == pytest.approx(1000)
    pinned = make_board(battles, settings=Settings(anchor="1", anchor_rating=1348.0))
    assert line(pinned, "1").rating == pytest.approx(1348)
    moved = {one.rating - line(plain, one.model).rating for one in pinned.standings}
    assert max(moved) - min(moved) < 1e-9
    assert [one.rank for one in pinned.standings] == [one.rank for one in plain.standings]


def test_counts_are_the_battles_own() -> None:
    board = make_board(battles_of(rows_between("a", "b", 5, 2, 3)))
    one = line(board, "a")
    assert (one.battles, one.wins, one.losses, one.ties, one.win_rate) == (10, 5, 2, 3, 0.65)
    assert board.ties == 3 and line(board, "b").win_rate == pytest.approx(0.35)


def test_an_undefeated_model_has_an_open_end_and_a_warning() -> None:
    board = make_board(battles_of(rows_between("a", "b", 20, 0) + rows_between("b", "c", 9, 11)))
    best = board.standings[0]
    assert best.model == "a" and best.high is None and best.low is not None and best.low < best.rating < 2000
    assert best.next_below is not None and best.next_below.battles_needed is None
    assert any(sentence.startswith("a never lost a point") for sentence in board.warnings)
    # The others are rated nearly as if it were not there; the prior draws on them a little.
    alone = make_board(battles_of(rows_between("b", "c", 9, 11)))
    assert line(board, "b").rating - line(board, "c").rating == pytest.approx(
        line(alone, "b").rating - line(alone, "c").rating, abs=10
    )


@pytest.mark.parametrize("rounds", [0, 100])
def test_three_prompts_part_nobody(rounds: int) -> None:
    """Two wins and a tie on three prompts: sandwich and bootstrap alone would be sure of the order."""
    battles = replace(battles_of(rows_between("a", "b", 2, 0, 1)), prompt=np.arange(3))
    first, second = make_board(battles, settings=Settings(bootstrap_rounds=rounds)).standings
    assert (first.model, first.rank, second.rank) == ("a", 1, 1)
    assert first.low is not None and first.low < 900
    assert first.next_below is not None and first.next_below.battles_needed


def test_pools_that_never_met_are_not_ranked_together() -> None:
    board = make_board(battles_of(rows_between("a", "b", 30, 10) + rows_between("c", "d", 10, 10)))
    assert [(one.model, one.pool) for one in board.standings] == [("a", 0), ("b", 0), ("c", 1), ("d", 1)]
    assert line(board, "c").rank == 1 and line(board, "b").next_below is None
    assert "never compared" in board.warnings[0]
    first = board.next_pairs[0]
    assert {first.model_a, first.model_b} & {"a", "b"} and {first.model_a, first.model_b} & {"c", "d"}


def test_length_control_takes_the_advantage_of_length_out() -> None:
    """Two equal models, one of which writes longer; the longer answer wins more often."""
    rng = np.random.default_rng(1)
    n = 3000
    lengths = np.stack([rng.integers(50, 400, n), rng.integers(20, 300, n)], axis=1).astype(float)
    lead = (lengths[:, 0] - lengths[:, 1]) / lengths.sum(1)
    score = (rng.random(n) < 1 / (1 + np.exp(-2 * lead))).astype(float)
    battles = replace(battles_of([("a", "b", float(s)) for s in score]), lengths=lengths)
    raw, fair = make_board(replace(battles, lengths=None)), make_board(battles)
    assert line(raw, "a").rating - line(raw, "b").rating > 40
    # Over many seeds the controlled rating is 1000 on average, with a standard error of 4 points.
    assert abs(line(fair, "a").rating - 1000) < 15
    effect = fair.effects[0]
    wanted = 2 * POINTS * math.sqrt(float(np.mean(lead**2)))
    assert effect.name == "longer answer" and effect.low < wanted < effect.high


def test_standing_first_is_an_effect_of_its_own() -> None:
    fought = rows_between("a", "b", 70, 30) + rows_between("b", "a", 70, 30)
    board = make_board(battles_of(fought), settings=Settings(side=True))
    assert line(board, "a").rating == pytest.approx(1000, abs=1e-6)
    assert board.effects[0].name == "first place"
    assert board.effects[0].points == pytest.approx(POINTS * math.log(7 / 3), rel=0.02)


def test_both_bad_is_rated_as_a_tie_and_counted() -> None:
    battles = battles_of(rows_between("a", "b", 2, 1, 2))
    board = make_board(replace(battles, both_bad=np.array([False, False, False, True, False])))
    assert (board.ties, board.both_bad) == (2, 1)


def test_bootstrap_intervals_are_seeded_and_close_to_the_others() -> None:
    battles = simulated(np.random.default_rng(2), RATINGS, 80)
    one, other = (make_board(battles, settings=Settings(bootstrap_rounds=200, seed=5)) for _ in range(2))
    assert one == other
    for mine, plain in zip(one.standings, make_board(battles).standings, strict=True):
        assert mine.low is not None and plain.low is not None
        assert mine.rating - mine.low == pytest.approx(plain.rating - plain.low, rel=0.25)


def test_settings_that_do_not_fit_the_battles_are_refused() -> None:
    shares = battles_of([("a", "b", 0.7), ("a", "b", 0.2)])
    with pytest.raises(EyasError, match="not shares of a win; use --ties half"):
        make_board(shares, settings=Settings(davidson=True))
    with pytest.raises(EyasError, match="give a finite --prior-sd"):
        make_board(shares, settings=Settings(bootstrap_rounds=20, prior_sd=math.inf))
