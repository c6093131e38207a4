"""What an assistant may call: a calculator that can only calculate, and whatever the caller adds."""

import json
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal, Overflow
from fractions import Fraction
from typing import Any

Tool = Callable[..., Any]

CALCULATOR = {
    "type": "function",
    "function": {
        "name": "calculator",
        "description": "Work out a sum of + - * / and parentheses.",
        "parameters": {
            "type": "object",
            "properties": {"expression": {"type": "string"}},
            "required": ["expression"],
        },
    },
}

_MAX_LENGTH = 500  # characters of an expression; a model's sum is short, and a longer one is an attack or a loop
_MAX_DEPTH = 50
_DIGITS = 12
_TOKEN = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]*)?|\.[0-9]+)|([-+*/()]))")
_SPOKEN = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-"})  # as people type them


def calculate(expression: str) -> str:
    """The value of a sum of decimal numbers, + - * / and parentheses: exact, shown to 12 digits when it has more.

    Raises ValueError with a short reason, which the caller may hand to the model.
    """
    if len(expression) > _MAX_LENGTH:
        raise ValueError("the expression is too long")
    tokens = _tokens(expression.translate(_SPOKEN))
    value, rest = _sum(tokens, 0, 0)
    if rest != len(tokens):
        raise ValueError(f"{tokens[rest]} is not expected here")
    return _shown(value)


def run_tool(tools: Mapping[str, Tool], name: str, arguments: Mapping[str, Any]) -> str:
    """Call a tool by name and give back its answer as text; whatever goes wrong becomes an answer too."""
    if name not in tools:
        return f"error: there is no tool named {name}"
    try:
        answer = tools[name](**arguments)
        return answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    except Exception as error:  # a tool is the caller's code and its arguments the model's: neither may end the chat
        return f"error: {error}"


def _tokens(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{text[at:].strip()[:1]!r} is no part of a sum")
        found.append(match[1] or match[2])
        at = match.end()
    return found


def _sum(tokens: list[str], at: int, depth: int) -> tuple[Fraction, int]:
    """product (('+' | '-') product)*; gives back the value and where it ended."""
    value, at = _product(tokens, at, depth)
    while at < len(tokens) and tokens[at] in "+-":
        sign = tokens[at]
        term, at = _product(tokens, at + 1, depth)
        value = value + term if sign == "+" else value - term
    return value, at


def _product(tokens: list[str], at: int, depth: int) -> tuple[Fraction, int]:
    """factor (('*' | '/') factor)*"""
    value, at = _factor(tokens, at, depth)
    while at < len(tokens) and tokens[at] in "*/":
        sign = tokens[at]
        factor, at = _factor(tokens, at + 1, depth)
        if sign == "/" and factor == 0:
            raise ValueError("division by zero")
        value = value * factor if sign == "*" else value / factor
    return value, at


def _factor(tokens: list[str], at: int, depth: int) -> tuple[Fraction, int]:
    """number | '(' sum ')' | ('+' | '-') factor"""
    if depth > _MAX_DEPTH:
        raise ValueError("the expression is nested too deeply")
    if at == len(tokens):
        raise ValueError("the expression is incomplete")
    token = tokens[at]
    if token in "+-":
        value, at = _factor(tokens, at + 1, depth + 1)
        return (value if token == "+" else -value), at
    if token == "(":
        value, at = _sum(tokens, at + 1, depth + 1)
        if at == len(tokens) or tokens[at] != ")":
            raise ValueError("a parenthesis is not closed")
        return value, at + 1
    if token in "*/)":
        raise ValueError(f"{token} is not expected here")
    return Fraction(token.rstrip(".") or "0"), at + 1


def _shown(value: Fraction) -> str:
    """A whole number in full, anything else to 12 significant digits without trailing zeros or exponents."""
    if value.denominator == 1:
        return str(value.numerator)
    try:
        context = Context(prec=_DIGITS, rounding=ROUND_HALF_EVEN)
        rounded = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    except Overflow as error:
        raise ValueError("the result is too large") from error
    text = f"{rounded:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
