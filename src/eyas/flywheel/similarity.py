"""How near two short texts are by the words that carry their meaning: what groups, facts and contradictions rest on."""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable
from heapq import nlargest
from typing import Generic, TypeVar

__all__ = ["Index", "content_words", "words"]

Key = TypeVar("Key", bound=Hashable)

_CJK = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # scripts without spaces: a character is a word
_LETTER = f"[^\\W\\d_{_CJK}]"
_WORD = re.compile(rf"[{_CJK}]|\d+(?:[.,]\d+)*|{_LETTER}+(?:['’]{_LETTER}+)*")
_GREETING = re.compile(r"\bgood (?:morning|afternoon|evening|day|night)\b", re.IGNORECASE)
_ENDINGS = ("ings", "ing", "ies", "ied", "es", "ed", "s")
_PRIOR = 50
"""Texts that are thought of beside the few there are, so that in a small store no common word counts as rare."""


def words(text: str) -> list[str]:
    """The words of `text` in order, small letters, without the genitive's 's."""
    return [re.sub("['’]s$", "", word) for word in _WORD.findall(text.lower())]


def _stem(word: str) -> str:
    """`word` less its English ending, roughly: enough to make `lives`, `live` and `living` one."""
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word.removesuffix("e") if len(word) > 3 else word


# Words that say how one asks rather than what about: pronouns, auxiliaries, prepositions, and courtesies.
_EMPTY = frozenset(
    _stem(word)
    for word in """
    a about all also an and any are as ask at be been but by called can could did do does ever every for
    from get give go good had has have he hello help hers her hi him his how i if in into is it its just know let like
    look made make may me mean more most much must my name need no not now of on one or our out please question say
    shall she should show so some such tell than thank that the their them then there these they this those to today
    too up us very want was we were what when where which who whom whose why will wish with wonder would yes you your
    """.split()
)


def content_words(text: str) -> set[str]:
    """The stems of the words that carry meaning; of a text that has no other, those of all its words."""
    found = {_stem(word) for word in words(_GREETING.sub(" ", text))}
    return found - _EMPTY or {_stem(word) for word in words(text)}


class Index(Generic[Key]):
    """Texts by their content words. A word weighs the more the fewer texts have it."""

    def __init__(self) -> None:
        self.words: dict[Key, set[str]] = {}
        self._having: dict[str, set[Key]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self.words)

    def add(self, key: Key, text: str) -> None:
        """Remember `text` under `key`."""
        self.words[key] = content_words(text)
        for word in self.words[key]:
            self._having[word].add(key)

    def weight(self, found: Iterable[str]) -> float:
        """The sum of the words' weights, in nats of how rare each is."""
        n = len(self.words) + _PRIOR
        return sum(math.log(n / (len(self._having.get(word, ())) + 0.5)) for word in found)

    def similarity(self, a: Collection[str], b: Collection[str]) -> float:
        """Weight of the shared words over that of all words of either (weighted Jaccard), 0 to 1."""
        a, b = set(a), set(b)
        return self.weight(a & b) / either if (either := self.weight(a | b)) else 0.0

    def near(self, text: str, most: int = 20) -> list[tuple[Key, float]]:
        """The `most` texts most similar to `text`, best first, each with its similarity."""
        wanted = content_words(text)
        shared: dict[Key, float] = defaultdict(float)
        common = max(_PRIOR, len(self.words) // 10)
        for word in sorted(wanted, key=lambda word: len(self._having.get(word, ()))):
            having = self._having.get(word, ())
            if shared and len(having) > common:
                break  # the candidates are found by their rare words; a common one would bring in everything
            weight = self.weight([word])
            for key in having:
                shared[key] += weight
        candidates = nlargest(10 * most, shared, key=lambda key: shared[key])
        scored = [(key, self.similarity(wanted, self.words[key])) for key in candidates]
        return sorted(scored, key=lambda one: -one[1])[:most]
