"""Whether an answer says what a correction says, by words alone."""

from eyas.flywheel.similarity import content_words
from eyas.text.wording import declines, refuses

__all__ = ["right_answer"]

ALIKE = 0.8
"""Overlap of content words (Jaccard) from which two answers say the same."""


def right_answer(said: str, wanted: str) -> bool:
    """Whether two answers say the same, by their words: both decline, both refuse, or their content words agree."""
    if declines(wanted) or refuses(wanted):
        return declines(said) == declines(wanted) and refuses(said) == refuses(wanted)
    a, b = content_words(said), content_words(wanted)
    return said.strip() == wanted.strip() or (bool(a | b) and len(a & b) >= ALIKE * len(a | b))
