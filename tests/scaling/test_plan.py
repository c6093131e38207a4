"""Plans of grids: within the budget, shared budgets on the diagonals, and a run ahead of the largest."""

import numpy as np
import pytest

from eyas.errors import EyasError
from eyas.scaling.plan import (
    BUDGETS,
    LEAST_STEPS,
    LEVELS,
    REPEATED,
    Grid,
    Kind,
    Speed,
    branch_at,
    plan_grids,
    steps_trained,
)

BATCH = 4096
LEAST = 2e5
SPEED = Speed(a_step=0.01, a_flop=4e-12, a_size=0.0)


def flops(size: str) -> float:
    """6 N a token, as if every size had a shape of its own."""
    return 6 * float(size.removesuffix("m")) * 1e6 * BATCH


def grid(minutes: float, most_steps: float = float("inf")) -> Grid:
    return plan_grids([Kind("transformer", flops, SPEED)], LEAST, 60 * minutes, 0, most_steps)[0]


def spans(found: Grid) -> tuple[float, float]:
    """Decades of N and of D."""
    sizes = [flops(one.size) for one in found.trainings]
    lengths = [steps for one in found.trainings for steps in one.steps]
    return float(np.log10(max(sizes) / min(sizes))), float(np.log10(max(lengths) / min(lengths)))


@pytest.mark.parametrize("minutes", [8, 20, 120, 3000])
def test_a_grid_takes_its_budget_and_hardly_less(minutes: float) -> None:
    assert 0.85 * 60 * minutes < grid(minutes).seconds <= 60 * minutes


def test_more_minutes_span_more_up_to_two_decades_and_then_larger_sizes() -> None:
    short, long, endless = grid(20), grid(500), grid(3000)
    assert 0.5 < spans(short)[0] < 1.5 < spans(long)[0] and spans(long)[1] > 1.5
    assert max(spans(endless)) < 2.1
    assert flops(endless.trainings[0].size) > 1.5 * flops(long.trainings[0].size)


def test_several_kinds_span_alike_and_who_is_slow_gets_more_of_the_time() -> None:
    slow = Speed(a_step=0.02, a_flop=12e-12, a_size=0.0)
    quick, lagging = plan_grids([Kind("transformer", flops, SPEED), Kind("rnn", flops, slow)], LEAST, 3600, 0)
    assert 0.85 * 3600 < quick.seconds + lagging.seconds <= 3600 and lagging.seconds > 2 * quick.seconds
    assert [one.size for one in quick.trainings] == [one.size for one in lagging.trainings]
    assert [one.steps for one in quick.trainings] == [one.steps for one in lagging.trainings]


def test_sizes_share_a_ladder_of_budgets() -> None:
    once = [one for one in grid(60).trainings if one.seed == 0]
    budgets = [np.log([flops(one.size) * steps for steps in one.steps]) for one in once]
    ladder = np.linspace(budgets[0][0], budgets[-1][-1], BUDGETS)
    for level, own in enumerate(budgets):
        assert own == pytest.approx(ladder[level : level + LEVELS], abs=0.01)
    assert once[0].steps[0] == LEAST_STEPS
    assert sum(len(one.steps) for one in once) >= 16


def test_the_cheapest_sizes_are_repeated_with_another_seed_and_names_differ() -> None:
    trainings = grid(20).trainings
    assert [one.size for one in trainings if one.seed == 1] == [one.size for one in trainings if one.seed == 0][
        :REPEATED
    ]
    assert len({one.name for one in trainings}) == len(trainings) == LEVELS + REPEATED


def test_the_run_ahead_has_eight_times_the_compute_between_its_sizes() -> None:
    found = grid(60)
    largest = max(flops(one.size) * one.steps[-1] for one in found.trainings)
    assert flops(found.ahead.size) * found.ahead.steps[0] == pytest.approx(8 * largest, rel=0.01)
    sizes = [flops(one.size) for one in found.trainings]
    assert min(sizes) < flops(found.ahead.size) < max(sizes)


def test_no_run_is_longer_than_the_data_and_what_is_missing_goes_into_parameters() -> None:
    found = grid(60, most_steps=1000)
    assert max(steps for one in found.trainings for steps in one.steps) <= 1000 == found.ahead.steps[0]
    assert 0.85 * 3600 < found.seconds <= 3600
    largest = max(flops(one.size) * one.steps[-1] for one in found.trainings)
    assert flops(found.ahead.size) * 1000 == pytest.approx(8 * largest, rel=0.01)


@pytest.mark.parametrize(("minutes", "most_steps", "why"), [(0.2, 1e9, "--budget"), (20, 100, "--data holds 100")])
def test_what_no_grid_fits_is_refused(minutes: float, most_steps: float, why: str) -> None:
    with pytest.raises(EyasError, match=why):
        grid(minutes, most_steps)


def test_a_shared_trunk_saves_steps() -> None:
    lengths = (100, 200, 400)
    assert branch_at(100) == 50
    assert steps_trained(lengths) < sum(steps_trained((one,)) for one in lengths)
