"""The calculator calculates, and does nothing else."""

import contextlib
import random
from fractions import Fraction

import pytest
from hypothesis import given, strategies

from eyas.runtime.tools import calculate, run_tool


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("12 * 34", "408"),
        ("2+3*4", "14"),
        ("(2 + 3) * 4", "20"),
        ("10 - 4 - 3", "3"),
        ("100 / 5 / 4", "5"),
        ("-3 - -4", "1"),
        ("+5", "5"),
        ("-(2 + 3)", "-5"),
        ("0.1 + 0.2", "0.3"),
        (".5 * 2.", "1"),
        ("1 / 3", "0.333333333333"),
        ("2 / 3", "0.666666666667"),
        ("1 / 1000000", "0.000001"),
        ("7 × 6 ÷ 2 − 1", "20"),
        ("007 + 1", "8"),
        ("99999999999999999999 * 99999999999999999999", "9999999999999999999800000000000000000001"),
        ("0 * 5", "0"),
    ],
)
def test_sums_are_right(expression: str, value: str) -> None:
    assert calculate(expression) == value


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "incomplete"),
        ("   ", "incomplete"),
        ("1 +", "incomplete"),
        ("1 / 0", "division by zero"),
        ("1 / (2 - 2)", "division by zero"),
        ("(1", "not closed"),
        ("1)", "not expected"),
        ("()", "not expected"),
        ("1 2", "not expected"),
        ("2 ** 3", "not expected"),
        ("* 2", "not expected"),
        ("1.2.3", "not expected"),
        ("1e9", "no part of a sum"),
        ("abs(1)", "no part of a sum"),
        ("__import__('os')", "no part of a sum"),
        ("1 if 1 else 2", "no part of a sum"),
        ("２ + ２", "no part of a sum"),
        ("(" * 60 + "1" + ")" * 60, "nested too deeply"),
        ("-" * 60 + "1", "nested too deeply"),
        ("1+" * 400 + "1", "too long"),
    ],
)
def test_anything_else_is_refused_with_a_reason(expression: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        calculate(expression)


@given(strategies.text(alphabet="0123456789.+-*/() \x00eé", max_size=60))
def test_no_text_does_anything_but_calculate_or_be_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(calculate(text), str)


def test_random_sums_agree_with_exact_fractions() -> None:
    draw = random.Random(0)

    def tree(depth: int) -> tuple[str, Fraction]:
        if depth == 0:
            number = draw.choice([str(draw.randrange(1000)), f"{draw.randrange(100)}.{draw.randrange(100):02d}"])
            return number, Fraction(number)
        (a, x), (b, y) = tree(depth - 1), tree(depth - 1)
        sign = draw.choice("+-*/")
        if sign == "/" and y == 0:
            sign = "+"
        return f"({a} {sign} {b})", {"+": x + y, "-": x - y, "*": x * y, "/": x / (y or 1)}[sign]

    for _ in range(300):
        text, value = tree(draw.randrange(1, 4))
        found = Fraction(calculate(text))
        assert abs(found - value) <= abs(value) * Fraction(1, 10**11)


def test_whatever_a_tool_does_becomes_an_answer() -> None:
    tools = {"calculator": calculate, "board": lambda topic: {"notice": f"é {topic}"}, "broken": lambda: 1 / 0}
    assert run_tool(tools, "calculator", {"expression": "1 + 1"}) == "2"
    assert run_tool(tools, "board", {"topic": "ferry"}) == '{"notice": "é ferry"}'
    assert run_tool(tools, "broken", {}) == "error: division by zero"
    assert run_tool(tools, "nothing", {}) == "error: there is no tool named nothing"
    assert run_tool(tools, "calculator", {"wrong": 1}).startswith("error: ")
    assert run_tool(tools, "calculator", {"expression": 12}).startswith("error: ")
