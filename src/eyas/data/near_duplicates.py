"""Documents that are almost a copy of an earlier one, by MinHash over word 5-grams.

The setting is FineWeb's (Penedo et al. 2024): 14 bands of 8 hashes, a document goes when any band equals an earlier
one's; the chance is 92 % at a Jaccard similarity of 0.8, 56 % at 0.7 and 5 % at 0.5. Written in numpy because the
hashes of all 5-grams are then a few array operations, many times faster than a library that hashes them one by one.
"""

import re
import zlib

import numpy as np
from numpy.typing import NDArray

from eyas.data.dedup import Seen, document_hash
from eyas.data.documents import Document, Tally

BANDS, ROWS, GRAM = 14, 8, 5

_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(f"[{_CJK}]|[^\\W{_CJK}]+")  # scripts without spaces: a character is a word
_CHUNK = 4096

_random = np.random.PCG64(20240625).random_raw(2 * BANDS * ROWS + GRAM).astype(np.uint64)
_MULTIPLY = _random[: BANDS * ROWS, None] | np.uint64(1)
_ADD = _random[BANDS * ROWS : 2 * BANDS * ROWS, None]
_POSITION = _random[2 * BANDS * ROWS :] | np.uint64(1)


def signature(text: str, gram: int = GRAM) -> NDArray[np.uint32]:
    """MinHash signature (BANDS * ROWS,): the share of equal entries of two texts estimates their Jaccard similarity.

    `gram` words in a row, at most GRAM, make an element: 5 suit documents, 2 a question of one line.
    """
    words = _WORD.findall(text.lower())
    hashes = np.array([zlib.crc32(word.encode()) for word in words] or [0], dtype=np.uint64)
    n_grams = max(1, len(hashes) - gram + 1)
    grams = np.zeros(n_grams, dtype=np.uint64)
    for at in range(min(gram, len(hashes))):
        grams += (hashes[at : at + n_grams] + np.uint64(1)) * _POSITION[at]
    grams ^= grams >> np.uint64(32)
    least = np.full(BANDS * ROWS, 0xFFFFFFFF, dtype=np.uint32)
    for start in range(0, n_grams, _CHUNK):
        mixed = (_MULTIPLY * grams[start : start + _CHUNK] + _ADD) >> np.uint64(32)
        np.minimum(least, mixed.min(axis=1).astype(np.uint32), out=least)
    return least


class NearDuplicates:
    """A filter that leaves out what nearly repeats an earlier document; about 250 bytes of memory a document."""

    def __init__(self) -> None:
        self._seen = Seen()

    def __call__(self, document: Document, tally: Tally) -> Document | None:
        """The document, or None (counted as "near-duplicate") when one of its bands was met before."""
        bands = signature(document.text).reshape(BANDS, ROWS)
        keys = [document_hash(bytes([number]) + band.tobytes()) for number, band in enumerate(bands)]
        known = [not self._seen.add(key) for key in keys]
        if any(known):
            tally.add("near-duplicate")
            return None
        return document
