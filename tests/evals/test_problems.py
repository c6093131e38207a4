import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.errors import EyasError
from eyas.evals.problems import TASKS, Verified, examples, task
from eyas.train.examiner import EXAMINED


@pytest.mark.parametrize("name", TASKS)
def test_both_answers_of_every_problem_are_rewarded_and_wrong_ones_are_not(name: str) -> None:
    for number in range(300):
        one = TASKS[name].problem(number)
        assert TASKS[name].reward(number, one.answer) == TASKS[name].reward(number, one.worked) == 1
        assert TASKS[name].reward(number, f"{one.worked}0") == 0
        assert len(one.worked) > len(one.answer) and one.worked.endswith(one.answer)


@pytest.mark.parametrize("name", TASKS)
def test_what_measures_is_never_practised(name: str) -> None:
    def content(number: int) -> tuple[str, ...]:
        first, *others = re.findall(r"\d+|[-+]", TASKS[name].problem(number).question)
        return (first, *sorted(others))

    practised = {content(number) for number in range(4000)} | {content((1 << 30) + number) for number in range(4000)}
    assert not practised & {content(EXAMINED + number) for number in range(500)}


@given(st.text(max_size=80), st.integers(0, 50))
def test_whatever_is_said_gets_a_reward(said: str, number: int) -> None:
    assert all(one.reward(number, said) in (0, 1) for one in TASKS.values())


def test_countdown_wants_right_steps_and_each_number_once() -> None:
    game = TASKS["countdown"]
    assert game.problem(8).question == "Make 14 from 11, 5, 2."
    for right in ("5-2=3, 3+11=14", "Let me try\n11-5=6\n11+5=16, 16-2=14", "11 - 2 = 9, 9 + 5 = 14"):
        assert game.reward(8, right) == 1
    for wrong in (
        "", "14", "14=14", "16-2=14", "11+5=16", "11+5=16, 16-2=13", "11+5=17, 17-2=14", "11+5=16, 16-2=14, 14-0=14",
        "11+5=16, 16-2=14\n", "11+5=16, 16-2=14.", "13+1=14", "__import__('os')", "9**9", "9" * 70,
    ):  # fmt: skip
        assert game.reward(8, wrong) == 0, wrong


def test_examples_are_chats_some_of_them_worked_out() -> None:
    rows = list(islice(examples("verify:countdown", 200, worked=0.3), 200))
    assert rows == list(examples("countdown", 200, worked=0.3))
    assert rows[0]["messages"][0]["content"].startswith("Make ")
    worked = sum("try" in row["messages"][1]["content"] for row in rows)
    assert 30 < worked < 90
    assert all("tens" in row["messages"][1]["content"] for row in examples("arithmetic", 20, worked=1.0))


def test_tasks_take_turns_and_unknown_ones_are_refused() -> None:
    both = Verified(["verify:arithmetic", "verify:countdown"])
    kinds = [both.prompt(number)[0]["content"].split()[0] for number in range(4)]
    assert kinds == ["In", "Make", "In", "Make"]
    answers = [[{"role": "assistant", "content": both.tasks[n % 2].problem(n).answer}] for n in range(4)]
    assert both.rewards(range(4), answers) == [1, 1, 1, 1]
    with pytest.raises(EyasError, match="no such task; use verify:arithmetic, verify:countdown or verify:world"):
        task("verify:chess")
