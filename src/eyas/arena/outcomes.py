"""Who won, out of one cell of a battles file: words, names of models, scores, or codes told by flags."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

A_WORDS = frozenset({"a", "model_a", "[[a]]"})
B_WORDS = frozenset({"b", "model_b", "[[b]]"})
TIE_WORDS = frozenset({"tie", "draw", "[[c]]"})
BOTH_BAD_WORDS = frozenset({"both_bad", "bothbad", "both bad", "tie (bothbad)"})


@dataclass(frozen=True)
class Verdict:
    """`score` is model A's share of the win in 0..1; 0.5 is a tie, and `both_bad` says that neither was good."""

    score: float
    both_bad: bool = False


@dataclass(frozen=True)
class Codes:
    """Cells that mean something of their own in this file; they go before every default reading.

    With one number for each of `win_a` and `win_b`, a number between them is read as a share of the win (a judge that
    answers 1.73 between 1 and 2 is 73 % sure of the second).
    """

    win_a: tuple[str, ...] = ()
    win_b: tuple[str, ...] = ()
    tie: tuple[str, ...] = ()
    both_bad: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


def read_verdict(cell: Any, model_a: str, model_b: str, codes: Codes) -> Verdict | None:
    """The verdict of a cell, None where the codes say to skip it. Raises ValueError with the reason and a remedy."""
    text = "" if cell is None else str(cell).strip()
    if _among(text, codes.skip):
        return None
    if not text:
        raise ValueError("has no winner (empty cells can be passed over with --skip '')")
    for values, verdict in (
        (codes.win_a, Verdict(1.0)),
        (codes.win_b, Verdict(0.0)),
        (codes.tie, Verdict(0.5)),
        (codes.both_bad, Verdict(0.5, both_bad=True)),
    ):
        if _among(text, values):
            return verdict
    number = _number(text)
    by_word = _word(text.casefold())
    by_name = Verdict(1.0) if text == model_a else Verdict(0.0) if text == model_b else None
    if by_word is not None and by_name is not None and by_word != by_name:
        raise ValueError(
            f"names as winner '{text}', which is a model and also a word for a side; "
            "say what is meant with --win-a, --win-b and --tie"
        )
    if (found := by_name or by_word) is not None:
        return found
    if number is None:
        raise ValueError(
            f"names as winner '{text}', which is neither of its models, nor a, b, tie or both_bad, nor a score from 0 "
            "to 1; say what the values mean with --win-a, --win-b, --tie, --both-bad and --skip"
        )
    return Verdict(_share(number, text, codes))


def _share(number: float, text: str, codes: Codes) -> float:
    """Model A's share of the win on the file's own scale: from 0 to 1, or from `win_b` to `win_a`."""
    best, worst = 1.0, 0.0
    if len(codes.win_a) == len(codes.win_b) == 1:
        top, bottom = _number(codes.win_a[0]), _number(codes.win_b[0])
        if top is not None and bottom is not None and top != bottom:
            best, worst = top, bottom
    share = (number - worst) / (best - worst)
    if not 0 <= share <= 1:
        raise ValueError(
            f"has the winner {text}, which is no score from {worst:g} (B wins) to {best:g} (A wins); "
            "say what the codes mean with --win-a, --win-b, --tie and --skip"
        )
    return share


def _word(text: str) -> Verdict | None:
    if text in A_WORDS:
        return Verdict(1.0)
    if text in B_WORDS:
        return Verdict(0.0)
    if text in TIE_WORDS:
        return Verdict(0.5)
    return Verdict(0.5, both_bad=True) if text in BOTH_BAD_WORDS else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _among(text: str, values: Iterable[str]) -> bool:
    """Whether `text` is one of `values`: as words in any case, as numbers by their value (`1.0` is `1`)."""
    number = _number(text)
    return any(
        text.casefold() == one.strip().casefold() or (number is not None and number == _number(one.strip()))
        for one in values
    )
