"""Problems that a program can check, without end: `verify:TASK` of `eyas align` and the rows to start from.

Each can be answered at once or worked out before; of both ways only the last words are rewarded.
"""

import hashlib
import operator
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from eyas.errors import EyasError
from eyas.train.examiner import EXAMINED

Message = dict[str, Any]
_SIGNS = {"+": operator.add, "-": operator.sub}
_STEP = re.compile(r"(\d{1,4}) ?([-+]) ?(\d{1,4}) ?= ?(\d{1,4})")


@dataclass(frozen=True)
class Problem:
    """A question, its answer at once, and an answer that is worked out."""

    question: str
    answer: str
    worked: str


class Arithmetic:
    """Sums and differences of numbers up to 99; rewarded is the last number said."""

    def problem(self, number: int) -> Problem:
        """Always the same one; those numbered from EXAMINED on and those below have none in common."""
        dice = random.Random(f"arithmetic {number}")
        while True:
            b, a = sorted(dice.choices(range(1, 100), k=2))
            sign = dice.choice("+-")
            if _kept_apart(f"{a}{sign}{b}") == (number >= EXAMINED):
                return Problem(f"In your head: {a} {sign} {b}", str(_SIGNS[sign](a, b)), _by_digits(a, sign, b))

    def reward(self, number: int, said: str) -> float:
        """1 for the right number at the end, else 0."""
        found = re.findall(r"\d+", said)
        return float(bool(found) and found[-1] == self.problem(number).answer)


def _by_digits(a: int, sign: str, b: int) -> str:
    """The sum as it is taught at school; what is borrowed from the tens is counted to the ones first."""
    do = _SIGNS[sign]
    carry = do(a % 10, b % 10) // 10
    lent = 10 if carry < 0 else 0
    ones = f"{a % 10 + lent}{sign}{b % 10}={do(a % 10 + lent, b % 10)}"
    carried = f"{carry:+d}" if carry else ""
    tens = f"{a // 10}{sign}{b // 10}{carried}={do(a // 10, b // 10) + carry}"
    return f"Ones {ones}, tens {tens}: {do(a, b)}"


class Countdown:
    """Three numbers up to 15 and a target: two sums or differences that use each number once and come to it."""

    def problem(self, number: int) -> Problem:
        """As in Arithmetic. The worked answer tries first steps until one leads to the target."""
        dice = random.Random(f"countdown {number}")
        while True:
            numbers = dice.choices(range(1, 16), k=3)
            first = _first_steps(numbers)
            _, value, left = dice.choice(first)
            target = _SIGNS[dice.choice("+-")](value, left)
            if target > 0 and _kept_apart(f"{target} {sorted(numbers)}") == (number >= EXAMINED):
                break
        dice.shuffle(first)
        tried = ["Let me try"]
        for step, value, left in first:
            second = _second_step(value, left, target)
            if second:
                break
            tried.append(step)
        answer = f"{step}, {second}"
        return Problem(f"Make {target} from {', '.join(map(str, numbers))}.", answer, "\n".join([*tried, answer]))

    def reward(self, number: int, said: str) -> float:
        """1 when the last line is of right steps that use up the numbers given and come to the target, else 0."""
        target, *numbers = (int(found) for found in re.findall(r"\d+", self.problem(number).question))
        for step in said.rsplit("\n", 1)[-1].split(","):
            found = _STEP.fullmatch(step.strip())
            if found is None:
                return 0.0
            a, b, result = int(found[1]), int(found[3]), int(found[4])
            for used in (a, b):
                if used not in numbers:
                    return 0.0
                numbers.remove(used)
            if _SIGNS[found[2]](a, b) != result:
                return 0.0
            numbers.append(result)
        return float(numbers == [target])


def _first_steps(numbers: Sequence[int]) -> list[tuple[str, int, int]]:
    """Every first step, what it comes to (above 0), and the number that is left."""
    found = []
    for pair in combinations(range(3), 2):
        b, a = sorted(numbers[at] for at in pair)
        left = numbers[3 - sum(pair)]
        found += [(f"{a}{sign}{b}={do(a, b)}", do(a, b), left) for sign, do in _SIGNS.items() if do(a, b) > 0]
    return found


def _second_step(value: int, left: int, target: int) -> str | None:
    """The step from two numbers to the target, if there is one."""
    for a, b in ((value, left), (left, value)):
        for sign, do in _SIGNS.items():
            if do(a, b) == target:
                return f"{a}{sign}{b}={target}"
    return None


def _kept_apart(content: str) -> bool:
    """Whether a problem is one of the eighth that is never trained on."""
    return hashlib.sha256(content.encode()).digest()[0] < 32


TASKS: dict[str, Arithmetic | Countdown] = {"arithmetic": Arithmetic(), "countdown": Countdown()}
VERIFY = "verify:"


def task(name: str) -> Arithmetic | Countdown:
    """The task that `verify:TASK` names. Raises EyasError."""
    if name.removeprefix(VERIFY) not in TASKS:
        known = ", ".join(VERIFY + one for one in TASKS)
        raise EyasError(f"--reward {name}: there is no such task; use {known} or {VERIFY}world")
    return TASKS[name.removeprefix(VERIFY)]


def examples(name: str, count: int, worked: float = 0.3, start: int = 1 << 30) -> Iterator[dict[str, Any]]:
    """Chat rows of a task, to finetune a model that cannot do it at all; a share of them is `worked` out.

    None is of a problem that measures GRPO.
    """
    chosen = task(name)
    for number in range(start, start + count):
        one = chosen.problem(number)
        said = one.worked if random.Random(f"worked {number}").random() < worked else one.answer
        yield {"messages": [{"role": "user", "content": one.question}, {"role": "assistant", "content": said}]}


class Verified:
    """Problems of several tasks in turn, rewarded by their own programs (`eyas.train.rollouts.Problems`)."""

    def __init__(self, names: Sequence[str]) -> None:
        self.tasks = [task(name) for name in names]

    def _task(self, number: int) -> Arithmetic | Countdown:
        return self.tasks[number % len(self.tasks)]

    def prompt(self, number: int) -> list[Message]:
        return [{"role": "user", "content": self._task(number).problem(number).question}]

    def rewards(self, numbers: Sequence[int], answers: Sequence[list[Message]]) -> list[float]:
        return [
            self._task(number).reward(number, str(answer[-1]["content"]))
            for number, answer in zip(numbers, answers, strict=True)
        ]
