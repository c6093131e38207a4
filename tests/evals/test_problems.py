from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyas.errors import EyasError
from eyas.evals.problems import TASKS, Verified, examples, task


@pytest.mark.parametrize("name", TASKS)
def test_the_answer_of_every_problem_is_rewarded_and_a_wrong_one_is_not(name: str) -> None:
    for number in range(300):
        _, answer = TASKS[name].problem(number)
        assert TASKS[name].reward(number, answer) == 1
        assert TASKS[name].reward(number, answer.rsplit("=", 1)[0] + "+ 1 = 1000") == 0


@given(st.text(max_size=80), st.integers(0, 50))
def test_whatever_is_said_gets_a_reward(said: str, number: int) -> None:
    assert all(one.reward(number, said) in (0, 1) for one in TASKS.values())


@pytest.mark.parametrize(
    "said", ["__import__('os')", "9" * 70, "1/0 = 5", "((((", "2**9**9**9", "(1)(2)", "", "=", "1_0 + 2"]
)
def test_a_countdown_answer_is_read_never_run(said: str) -> None:
    assert TASKS["countdown"].reward(3, said) == 0


def test_countdown_wants_each_number_just_once() -> None:
    game = TASKS["countdown"]
    number = next(n for n in range(2000) if game.problem(n)[0].startswith("Make 6 from"))
    _, answer = game.problem(number)
    expression = answer.split(" = ")[0]
    assert game.reward(number, f"{expression} + 0 = 6") == 0
    assert game.reward(number, "6 = 6") == 0
    assert game.reward(number, f"({expression})") == 1


def test_examples_are_chats_and_repeat_themselves() -> None:
    rows = list(islice(examples("verify:countdown", 20), 20))
    assert rows == list(examples("countdown", 20))
    assert rows[0]["messages"][0]["content"].startswith("Make ")


def test_tasks_take_turns_and_unknown_ones_are_refused() -> None:
    both = Verified(["verify:arithmetic", "verify:countdown"])
    kinds = [both.prompt(number)[0]["content"].split()[0] for number in range(4)]
    assert kinds == ["In", "Make", "In", "Make"]
    answers = [[{"role": "assistant", "content": both.tasks[n % 2].problem(n)[1]}] for n in range(4)]
    assert both.rewards(range(4), answers) == [1, 1, 1, 1]
    with pytest.raises(EyasError, match="no such task; use verify:arithmetic or verify:countdown"):
        task("verify:chess")
