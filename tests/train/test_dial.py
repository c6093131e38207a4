"""The budget dial: which size suits the minutes, what repeated text is worth, and what is told before."""

import math
import time

import pytest

from eyas.scaling.dial_law import DialLaw
from eyas.train.dial import Choice, Dial, Pace, best_params, suiting_batch
from eyas.train.repeats import MOST_EPOCHS
from tests.train.small import KNOWN, LAW

STEP = 4096


def dial(law: DialLaw | None = LAW, minutes: float = 10.0, given: str | None = None) -> Dial:
    return Dial(law, minutes, time.monotonic(), STEP, 3e5, given)


@pytest.mark.parametrize("work", [1e13, 1e14])
def test_minutes_choose_the_smallest_size_that_ends_like_the_laws_best_run(work: float) -> None:
    n, d = KNOWN.best_law().best_run(6 * work)
    chosen = best_params(LAW, work, 1e5, STEP)
    assert chosen < n
    assert float(LAW.loss(chosen, work / chosen)) == pytest.approx(1.01 * float(LAW.loss(n, d)), rel=1e-3)
    assert best_params(None, work, 1e5, STEP) == pytest.approx(math.sqrt(work / 10))


def test_no_size_is_below_the_least_or_left_without_steps() -> None:
    assert best_params(LAW, 1e9, 3e5, STEP) == 3e5
    steps_alone = DialLaw(KNOWN.model_copy(update={"law": (0.5, 400.0, 0.0, 0.5, 0.5)}), "a law without text", True)
    work = 1e13
    assert work / best_params(steps_alone, work, 3e5, STEP) >= 100 * STEP * 0.999


def test_little_text_is_read_only_so_often_and_the_minutes_left_are_told() -> None:
    pace = Pace("1m", 1_000_000, 20_000)
    choice = dial(given="1m").turn(pace, 1e5, 0.5)
    assert choice.ends and choice.epochs == pytest.approx(MOST_EPOCHS)
    assert choice.tokens == pytest.approx(2 * MOST_EPOCHS * 1e5) and choice.minutes < 2
    assert "the text 8.0 times (more often would bring nothing, so 1.5 minutes will do)" in choice.told(STEP, LAW)
    enough = dial(given="1m").turn(pace, 4e6, 1.0)
    assert not enough.ends and 2 < enough.epochs < 4 and enough.minutes > 9.9


def test_the_measured_size_stays_unless_the_text_is_too_little_for_it() -> None:
    asked = dial()
    best = best_params(LAW, 1e11 * 600, 3e5, STEP)
    pace = Pace("2.2m", round(1.1 * best), 1e11 / (1.1 * best))
    choice = asked.turn(pace, 1e12, 1.0)
    assert choice.size == "2.2m" and 9.9 < choice.minutes < 10
    assert choice.tokens == pytest.approx(600 * pace.tokens_per_second, rel=0.1)
    small = asked.turn(pace, 1e5, 1.0)
    assert float(small.size.removesuffix("m")) * 1e6 > 1.5 * best and small.tokens < choice.tokens
    assert dial(given="2.2m").turn(pace, 1e5, 1.0).size == "2.2m"


def test_what_to_expect_is_told_where_the_law_knows_the_text() -> None:
    pace = Pace("2m", 2_000_000, 20_000)
    choice = dial(given="2m").turn(pace, 1e12, 0.5)
    assert choice.expected is not None
    bpb, low, high = choice.expected
    assert bpb == pytest.approx(float(LAW.loss(2e6, choice.tokens / 2)), rel=1e-6) and low < bpb < high
    assert f"about {bpb:.3f} bits per byte [{low:.3f}, {high:.3f}]" in choice.told(STEP, LAW)
    other = DialLaw(KNOWN, "a law of stories", level=False)
    assert dial(other, given="2m").turn(pace, 1e12, 1.0).expected is None
    assert "only a law of its own" in Choice("2m", 1.0, 10, None).told(STEP, other)


def test_a_fifth_of_the_minutes_is_for_training_even_when_reading_took_all() -> None:
    late = Dial(LAW, 1.0, time.monotonic() - 300, STEP, 3e5, "2m")
    assert late.turn(Pace("2m", 2_000_000, 20_000), 1e12, 1.0).minutes == pytest.approx(0.2)


def test_longer_runs_take_larger_batches() -> None:
    assert [suiting_batch(tokens) for tokens in (1, 8e5, 4e6, 1e7, 1e9)] == [2048, 2048, 4096, 4096, 16384]
