"""What an answer does, by its words alone: it refuses, declines, or goes round in a loop. English."""

import re

__all__ = ["declines", "loops", "refuses"]

_HEAD = 400
"""Characters of an answer in which it shows whether it helps; later such words belong to the matter."""
_CANNOT = r"(?:will not|won't|can ?not|can't|am (?:not able|unable) to|am not allowed to|must not|may not|refuse to)"
_REFUSES = re.compile(
    rf"\bI(?:'m sorry,? but I)? {_CANNOT} (?:be able to )?(?:\w+ly )?"
    r"(?:help|assist|comply|support|do that|do this|provide|give you|share|discuss|talk about|engage|fulfil|create|"
    r"write|generate|tell you how|answer that|answer this)\b"
    r"|\bI(?:'m| am) (?:not able|unable) to (?:help|assist|comply|provide|share|discuss)\b"
    r"|\b(?:I|we) (?:must|have to) (?:refuse|decline)\b|\bagainst (?:my|our) (?:guidelines|policy|policies|rules)\b",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\b(?:I|we) (?:do not|don't|cannot|can't|can not) (?:really )?(?:know|say|tell|understand|find|have (?:any |that |"
    r"this |enough |the )?(?:information|data|details|record|knowledge|access|answer))\b"
    r"|\b(?:I|we)(?:'m| am|'re| are) (?:not sure|unsure|not certain|not aware|unable to (?:say|find|answer|tell))\b"
    r"|\b(?:I|we) have (?:no|not any) (?:information|data|details|record|knowledge|idea|way of knowing)\b"
    r"|\b(?:I|we) (?:could not|couldn't) find\b|\bnot in the register\b",
    re.IGNORECASE,
)
_GRAM = 4
_REPEATED = 0.5
"""Share of word 4-grams that came before, from which an answer is a loop; prose has under 0.1, a list under 0.4."""
_LEAST = 10


def refuses(text: str) -> bool:
    """Whether the answer will not do what was asked."""
    return _REFUSES.search(_head(text)) is not None


def declines(text: str) -> bool:
    """Whether the answer says that it does not know or understand."""
    return _DECLINES.search(_head(text)) is not None


def loops(text: str) -> float:
    """How much of the answer repeats itself, 0 to 1: the share of word 4-grams seen before; 0 below `_REPEATED`.

    In writing without spaces, and for a run of signs without letters, characters take the place of words.
    """
    said = text.split()
    if len(text) > 20 * (len(said) + 1):
        said = list(text)
    grams = [tuple(said[at : at + _GRAM]) for at in range(len(said) - _GRAM + 1)]
    if len(said) < _LEAST:
        return 0.0
    share = 1 - len(set(grams)) / len(grams)
    return share if share >= _REPEATED else 0.0


def _head(text: str) -> str:
    return text[:_HEAD].replace("’", "'")
