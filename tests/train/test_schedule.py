from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.train.schedule import Clock, load_plan, plan_open, plan_steps, save_plan


def test_rate_rises_holds_and_falls_to_the_final_share() -> None:
    plan = plan_steps(100, 10, 0.5, 0.02, compiled=False, precision="fp32")
    rates = [plan.scale(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:50] == [1.0] * 41
    assert all(a > b for a, b in pairwise(rates[50:]))
    assert 0.02 < rates[99] < 0.05


@pytest.mark.parametrize("steps", [1, 2, 3, 7])
@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_very_short_runs_have_a_rate_above_zero_at_every_step(steps: int, decay: float) -> None:
    plan = plan_steps(steps, 40, decay, 0.02, compiled=False, precision="fp32")
    assert plan.end == steps
    assert all(0 < plan.scale(step) <= 1 for step in range(steps))


def test_clock_decides_the_end_and_later_corrects_it() -> None:
    plan = plan_open(10, compiled=False, precision="bf16")
    assert plan.end is None and plan.scale(10_000) == 1.0
    first = plan.finish(500, 1000, 0.02)
    assert first.end == 1000 and first.scale(500) == 1.0 and first.scale(750) == pytest.approx(0.51)
    second = first.finish(750, 800, 0.02)
    assert second.end == 800 and second.decisions == 2
    assert [second.scale(step) for step in range(751)] == [first.scale(step) for step in range(751)]
    assert second.scale(800) == pytest.approx(0.02)


def test_decision_in_the_middle_of_the_warm_up_keeps_the_rate_continuous() -> None:
    plan = plan_open(100, compiled=False, precision="bf16").finish(20, 40, 0.02)
    assert plan.scale(20) == pytest.approx(0.208, abs=0.01)
    assert plan.scale(19) < plan.scale(20) > plan.scale(21)


def test_stored_plan_gives_the_same_bits(tmp_path: Path) -> None:
    plan = plan_open(7, compiled=True, precision="bf16").finish(333, 1001, 0.02)
    save_plan(tmp_path / "plan.json", plan)
    again = load_plan(tmp_path / "plan.json")
    assert again == plan
    assert [again.scale(step) for step in range(1001)] == [plan.scale(step) for step in range(1001)]


def test_damaged_plan_is_named(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"lines": 3}')
    with pytest.raises(EyasError, match=r"plan\.json is damaged"):
        load_plan(tmp_path / "plan.json")


@pytest.mark.parametrize(
    "seconds",
    [
        lambda step: 0.1,
        lambda step: 5.0 if step < 4 else 0.1,
        lambda step: 1.0 if step < 20 else 0.1,
        lambda step: 0.1 if step < 400 else 0.3,
        lambda step: 3.0 if step % 50 == 49 else 0.1,
    ],
    ids=["even", "compiling", "busy at first", "busy later", "with validations"],
)
def test_clock_ends_a_run_in_time_and_halfway_down_its_rate(seconds: Callable[[int], float]) -> None:
    clock, now, step = Clock(60.0), 0.0, 0
    plan = plan_open(10, compiled=False, precision="bf16")
    clock.tick(now)
    while plan.end is None or step < plan.end:
        now += seconds(step)
        step += 1
        clock.tick(now)
        plan = plan.corrected(step, step + clock.steps_left(), 0.5, 0.02)
    assert now == pytest.approx(60, rel=0.05)
    falling = next(line.start for line in plan.lines[1:])
    assert 0.25 * step < falling < 0.75 * step
