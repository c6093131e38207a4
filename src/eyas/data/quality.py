"""Text that is hardly language (menus, tables of numbers, spam, one line repeated), by rules that hold in any language.

The rules and limits are those of Gopher (Rae et al. 2021, table A1) and FineWeb that need no word list.
"""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from eyas.data.documents import Document, Tally


@dataclass(frozen=True)
class QualityLimits:
    """What a document must keep to."""

    min_words: int = 10
    min_word_length: float = 2.0  # mean, in characters; Gopher has 3, which Chinese words do not reach
    max_word_length: float = 12.0  # mean; German and Finnish prose stays below
    max_symbols: float = 0.1  # "#" and "..." a word
    min_alphabetic: float = 0.7  # share of words with a letter
    max_bullet_lines: float = 0.9
    max_ellipsis_lines: float = 0.3
    max_repeated_lines: float = 0.3
    max_top_gram: float = 0.2  # share of the characters in the most frequent pair of words


_LETTER = re.compile(r"[^\W\d_]")
_BULLETS = ("-", "*", "\u2022", "\u2023", "\u25cf")


class Quality:
    """A filter that leaves out text beyond the limits, counted by the rule that it broke."""

    def __init__(self, limits: QualityLimits | None = None) -> None:
        self.limits = limits or QualityLimits()

    def __call__(self, document: Document, tally: Tally) -> Document | None:
        """The document, or None (counted as "low quality (reason)")."""
        fault = quality_fault(document.text, self.limits)
        if fault is None:
            return document
        tally.add(f"low quality ({fault})")
        return None


def quality_fault(text: str, limits: QualityLimits) -> str | None:
    """The first rule that `text` breaks, in words, or None."""
    words = text.split()
    spaceless = len(text) > 20 * (len(words) + 1)  # scripts without spaces: the rules on words do not apply
    if not spaceless:
        if len(words) < limits.min_words:
            return "too few words"
        mean = sum(map(len, words)) / len(words)
        if not limits.min_word_length <= mean <= limits.max_word_length:
            return "odd word lengths"
        if (text.count("#") + text.count("...") + text.count("\u2026")) / len(words) > limits.max_symbols:
            return "too many symbols"
        if sum(1 for word in words if _LETTER.search(word)) / len(words) < limits.min_alphabetic:
            return "too few letters"
        pairs = Counter(pairwise(words))
        (first, second), times = pairs.most_common(1)[0]
        if times > 2 and times * (len(first) + len(second)) / sum(map(len, words)) > limits.max_top_gram:
            return "repeated phrase"
    elif len(_LETTER.findall(text)) < limits.min_alphabetic * len(re.sub(r"\s", "", text)):
        return "too few letters"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if sum(line.startswith(_BULLETS) for line in lines) > limits.max_bullet_lines * len(lines):
        return "bullet points only"
    if sum(line.endswith(("...", "\u2026")) for line in lines) > limits.max_ellipsis_lines * len(lines):
        return "too many ellipses"
    if len(lines) - len(set(lines)) > limits.max_repeated_lines * len(lines):
        return "repeated lines"
    return None
