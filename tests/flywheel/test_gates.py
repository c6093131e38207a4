"""The gates let through what did not fall, stop what did, and say how much they could see."""

import math
import random

import numpy as np
import pytest

from eyas.flywheel.gates import LEAST, MARGIN, fall_gate, loss_gate, mcnemar, paired, share_gate


def verdicts(n: int, lost: int, won: int) -> tuple[list[bool], list[bool]]:
    """n questions answered right before, of which `lost` are lost; `won` others are won."""
    return [True] * (n - won) + [False] * won, [False] * lost + [True] * (n - lost)


def test_mcnemar_is_the_tail_of_fair_coins() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(3, 0) == 1 / 8
    assert mcnemar(2, 1) == 4 / 8
    assert mcnemar(5, 5) > 0.5


def test_paired_counts_only_what_changed() -> None:
    found = paired(*verdicts(4000, 30, 10))
    assert (found.n, found.lost, found.won, found.fall) == (4000, 30, 10, 20 / 4000)
    assert found.fall < found.most < 0.01
    with pytest.raises(ValueError, match="non-empty"):
        paired([], [])


def test_a_model_that_is_worse_by_the_margin_passes_once_in_twenty() -> None:
    rng = np.random.default_rng(0)
    n, tries = 4000, 2000
    # 3 % of the answers change; one point more is lost than won
    lost, won = rng.binomial(n, 0.02, tries), rng.binomial(n, 0.01, tries)
    passed = [paired(*verdicts(n, int(a), int(b))).most <= MARGIN for a, b in zip(lost, won, strict=True)]
    assert 0.03 < np.mean(passed) < 0.07


def test_the_stated_power_is_that_of_a_model_without_a_fall() -> None:
    rng = np.random.default_rng(1)
    n, tries = 4000, 2000
    lost, won = rng.binomial(n, 0.02, tries), rng.binomial(n, 0.02, tries)
    passed = [paired(*verdicts(n, int(a), int(b))).most <= MARGIN for a, b in zip(lost, won, strict=True)]
    assert paired(*verdicts(n, 80, 80)).power == pytest.approx(np.mean(passed), abs=0.03)


def test_the_exam_passes_when_nothing_is_lost_and_fails_on_a_fall() -> None:
    before, after = verdicts(LEAST, 5, 8)
    assert fall_gate("exam", {"all": before}, {"all": after}).passed
    before, after = verdicts(LEAST, 90, 10)
    gate = fall_gate("exam", {"all": before}, {"all": after})
    assert not gate.passed and "90 right answers lost" in gate.reason and f"n = {LEAST:,}" in gate.reason


def test_too_few_questions_are_refused_whatever_they_say() -> None:
    gate = fall_gate("exam", {"all": [True] * 50}, {"all": [True] * 50})
    assert not gate.passed and "50 questions are too few" in gate.reason


def test_a_section_that_falls_beyond_chance_is_named() -> None:
    good, bad = verdicts(LEAST, 10, 20), verdicts(400, 12, 0)
    gate = fall_gate("exam", {"sums": good[0], "facts": bad[0]}, {"sums": good[1], "facts": bad[1]})
    assert not gate.passed and "facts (-12 +0)" in gate.reason


def test_one_of_many_sections_may_fall_by_chance() -> None:
    good, luck = verdicts(LEAST, 0, 0), verdicts(400, 5, 0)
    sections = {str(i): good for i in range(9)} | {"unlucky": luck}
    gate = fall_gate("exam", {k: a for k, (a, _) in sections.items()}, {k: b for k, (_, b) in sections.items()})
    assert gate.passed


def test_a_share_is_told_with_its_interval_and_nothing_to_ask_passes() -> None:
    gate = share_gate("paraphrases", "paraphrases", [True] * 8 + [False] * 2, 0.8)
    assert gate.passed and "80.0% [" in gate.reason and "n=10" in gate.reason
    assert not share_gate("paraphrases", "paraphrases", [True] * 7 + [False] * 3, 0.8).passed
    assert share_gate("paraphrases", "paraphrases", [], 0.8).passed


def test_a_rise_of_the_loss_must_be_shown_to_be_small() -> None:
    rng = random.Random(0)
    before = [1 + rng.random() for _ in range(200)]
    assert loss_gate("rows", before, [x + rng.gauss(0, 0.05) for x in before]).passed
    assert not loss_gate("rows", before, [x + rng.gauss(0.08, 0.05) for x in before]).passed
    assert not loss_gate("rows", before[:4], [x + rng.gauss(0, 1) for x in before[:4]]).passed
    assert loss_gate("rows", [1.0], [1.0]).passed  # one row tells nothing, and the reason says so
    assert "tell" in loss_gate("rows", [1.0], [1.0]).reason


@pytest.mark.parametrize(("n", "t"), [(4, 2.353), (11, 1.812), (101, 1.660)])
def test_the_bound_of_the_loss_is_students(n: int, t: float) -> None:
    rise = [0.01 * i for i in range(n)]
    error = float(np.std(rise, ddof=1)) / math.sqrt(n)
    assert loss_gate("rows", [0.0] * n, rise).figures["most"] == pytest.approx(
        np.mean(rise) + t * error, abs=0.03 * error
    )
