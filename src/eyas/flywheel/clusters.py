"""Which questions belong together: near-duplicates by MinHash, and whatever else links them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from eyas.data.near_duplicates import BANDS, ROWS, signature

GRAM = 2
"""Words a shingle. A question has few words: one added to six would change most of its 5-grams."""
SIMILAR = 0.7
"""Least estimated Jaccard similarity. A band alone would join 5 % of the questions that are half alike."""


def near_duplicates(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs (earlier, later) of texts that nearly repeat each other; each text has at most one pair a band.

    Candidates share a band of their MinHash signatures, as 92 % of those that are 0.8 alike do.
    """
    signatures = [signature(text, GRAM) for text in texts]
    seen: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for index, hashes in enumerate(signatures):
        for number, band in enumerate(hashes.reshape(BANDS, ROWS)):
            earlier = seen[number, band.tobytes()]
            alike = (one for one in earlier if (signatures[one] == hashes).mean() >= SIMILAR)
            if (first := next(alike, None)) is not None:
                yield first, index
            else:
                earlier.append(index)


def components(count: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `count` items the smallest item that it is linked with, directly or through others."""
    root = list(range(count))

    def find(item: int) -> int:
        while root[item] != item:
            root[item] = root[root[item]]
            item = root[item]
        return item

    for one, other in links:
        low, high = sorted((find(one), find(other)))
        root[high] = low
    return [find(item) for item in range(count)]
