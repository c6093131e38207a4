"""Problems that a program can check, without end: `verify:TASK` of `eyas align` and the rows to start from."""

import ast
import random
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from eyas.errors import EyasError

Message = dict[str, Any]


class Arithmetic:
    """Sums and differences of numbers up to 99, to be done in the head; rewarded is the last number said."""

    def problem(self, number: int) -> tuple[str, str]:
        """The question and its answer in words."""
        dice = random.Random(f"arithmetic {number}")
        a, b = dice.randint(1, 99), dice.randint(1, 99)
        if dice.random() < 0.5:
            return f"In your head: {a} + {b}", f"{a} + {b} = {a + b}"
        return f"In your head: {max(a, b)} - {min(a, b)}", f"{max(a, b)} - {min(a, b)} = {max(a, b) - min(a, b)}"

    def reward(self, number: int, said: str) -> float:
        """1 for the right number at the end, else 0."""
        found = re.findall(r"\d+", said)
        return float(bool(found) and found[-1] == self.problem(number)[1].split()[-1])


class Countdown:
    """Three numbers and a target: an expression that uses each number once and comes to the target."""

    def problem(self, number: int) -> tuple[str, str]:
        """The question and one answer."""
        dice = random.Random(f"countdown {number}")
        while True:
            numbers = [dice.randint(1, 20) for _ in range(3)]
            text = f"({numbers[0]} {dice.choice('+-*')} {numbers[1]}) {dice.choice('+-*')} {numbers[2]}"
            target = _value(ast.parse(text, mode="eval").body)
            if target is not None and 0 < target <= 100:
                shown = numbers[:]
                dice.shuffle(shown)
                return f"Make {target} from {', '.join(map(str, shown))}.", f"{text} = {target}"

    def reward(self, number: int, said: str) -> float:
        """1 when the expression before the last `=` uses just the numbers given and comes to the target, else 0."""
        question = self.problem(number)[0]
        target, *numbers = (int(found) for found in re.findall(r"\d+", question))
        expression = said.rsplit("=", 1)[0].strip()
        if not re.fullmatch(r"[\d+\-*/() ]{1,60}", expression):
            return 0.0
        used = sorted(int(found) for found in re.findall(r"\d+", expression))
        try:
            value = _value(ast.parse(expression, mode="eval").body)
        except (SyntaxError, ValueError, RecursionError):
            return 0.0
        return float(used == sorted(numbers) and value == target)


def _value(node: ast.expr) -> Fraction | None:
    """What a tree of numbers and + - * / comes to; None for anything else and for a division by zero."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _value(node.left), _value(node.right)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    return left / right if isinstance(node.op, ast.Div) and right else None


TASKS: dict[str, Arithmetic | Countdown] = {"arithmetic": Arithmetic(), "countdown": Countdown()}
VERIFY = "verify:"


def task(name: str) -> Arithmetic | Countdown:
    """The task that `verify:TASK` names. Raises EyasError."""
    if name.removeprefix(VERIFY) not in TASKS:
        raise EyasError(f"--reward {name}: there is no such task; use {' or '.join(VERIFY + known for known in TASKS)}")
    return TASKS[name.removeprefix(VERIFY)]


def examples(name: str, count: int, start: int = 1 << 30) -> Iterator[dict[str, Any]]:
    """Chat rows of a task, to finetune a model that cannot do it at all; no problem that GRPO will meet."""
    chosen = task(name)
    for number in range(start, start + count):
        question, answer = chosen.problem(number)
        yield {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


class Verified:
    """Problems of several tasks in turn, rewarded by their own programs (`eyas.train.rollouts.Problems`)."""

    def __init__(self, names: Sequence[str]) -> None:
        self.tasks = [task(name) for name in names]

    def _task(self, number: int) -> Arithmetic | Countdown:
        return self.tasks[number % len(self.tasks)]

    def prompt(self, number: int) -> list[Message]:
        return [{"role": "user", "content": self._task(number).problem(number)[0]}]

    def rewards(self, numbers: Sequence[int], answers: Sequence[list[Message]]) -> list[float]:
        return [
            self._task(number).reward(number, str(answer[-1]["content"]))
            for number, answer in zip(numbers, answers, strict=True)
        ]
