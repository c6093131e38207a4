"""The model's prediction mixed with what the file itself has said, so that text it never learnt is coded too.

Three predictors share in every token: the model; the model as if it were less sure of itself; and counts of what
followed the last three, two, one and no tokens in this file, blended as in prediction by partial matching (Cleary and
Witten 1984). What the counts leave over goes to the model. The predictors' weights follow how well each has predicted,
by Bayes' rule, and none vanishes (fixed share: Herbster and Warmuth 1998). All is computed in whole numbers, so both
sides come to the same shares on every machine.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

UNSURE = 0.375
"""What the logits of the less sure model are multiplied with."""
_BITS = 30  # every predictor has about 2^30 to give
_WHOLE = 1 << _BITS
_WEIGHTS = 1 << 16  # their sum: with the above within the coder's largest total
_LEAST_WEIGHT = 85  # 1/256 of them is shared evenly
LOOKED_BACK = 3
"""Tokens of the longest past that is counted; four gained nothing."""
_PASTS = 1 << 18
"""Pasts of one length that are remembered at most; then these counts begin anew."""

Counts = dict[int, int]
Share = Sequence[int]
"""Of a token: how much stands before it, how much it has, and the total."""


def scaled(shares: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """`shares` (rows, V) so that a row has about 2^30; what has something keeps 1 at least."""
    factor = _WHOLE / shares.sum(axis=1, dtype=np.uint64, keepdims=True).astype(np.float64)
    found: NDArray[np.uint64] = (shares * factor).astype(np.uint64)  # IEEE 754 defines these bits too
    np.maximum(found, shares > 0, out=found)
    return found


class Mixture:
    """Predicts a file's tokens one by one, on both sides in one order: `look`, then `share` or `shares`, then `learn`.

    A past is all of one stream; the counts are those of all streams.
    """

    def __init__(self, vocab_size: int) -> None:
        self._weights = [_WEIGHTS // 3] * 3
        self._every = np.zeros(vocab_size, dtype=np.int64)
        self._after: list[dict[tuple[int, ...], Counts]] = [{} for _ in range(LOOKED_BACK)]
        self._past: tuple[int, ...] = ()
        self._levels: list[tuple[int, Counts]] = []
        self._unit = 0
        self._left = _WHOLE

    def look(self, past: Sequence[int]) -> None:
        """The next token is one after `past`, of which the last few count.

        A count c of n is worth (8 c - 7) / 8 n of what longer pasts left over; so 7/8 for each different token remain.
        """
        self._past, self._left, self._levels = tuple(past[-LOOKED_BACK:]), _WHOLE, []
        for length in range(len(self._past), 0, -1):
            if counts := self._after[length - 1].get(self._past[-length:]):
                self._levels.append((self._take(sum(counts.values()), len(counts)), counts))
        self._unit = self._take(int(self._every.sum()), int(np.count_nonzero(self._every)))

    def _take(self, count: int, different: int) -> int:
        """What an eighth of one of `count` is worth; `left` shrinks by what all of them get."""
        unit = self._left // (8 * count) if count else 0
        self._left -= unit * (8 * count - 7 * different)
        return unit

    def share(self, token: int, sure: Share, unsure: Share) -> Share:
        """The share of `token`, given those by both models (`scaled`)."""
        before = self._every[:token]
        below = self._unit * (8 * int(before.sum()) - 7 * int(np.count_nonzero(before)))
        for unit, counts in self._levels:
            below += unit * sum(8 * count - 7 for other, count in counts.items() if other < token)
        counted = (below, self._counted(token), _WHOLE - self._left)
        one, two, three = self._parts()
        return [one * a + two * b + three * c for a, b, c in zip(sure, unsure, counted, strict=True)]

    def shares(self, sure: NDArray[np.uint64], unsure: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The shares (V,) of all tokens, given those by both models (`scaled`)."""
        one, two, three = self._parts()
        found = sure * np.uint64(one) + unsure * np.uint64(two)
        found += (three * self._unit * (8 * self._every - 7 * (self._every > 0))).astype(np.uint64)
        for unit, counts in self._levels:
            for token, count in counts.items():
                found[token] += np.uint64(three * unit * (8 * count - 7))
        return found

    def learn(self, token: int, sure: int, unsure: int) -> None:
        """It was `token`, of which the models gave these sizes."""
        one, two, three = self._weights
        models = (one * sure + two * unsure) // (one + two)
        said = (sure, unsure, self._counted(token) + (self._left * models >> _BITS))
        together = one * sure + two * unsure + three * said[2]
        free = _WEIGHTS - 3 * _LEAST_WEIGHT
        self._weights = [
            _LEAST_WEIGHT + free * weight * size // together for weight, size in zip(self._weights, said, strict=True)
        ]
        self._every[token] += 1
        for length, after in enumerate(self._after[: len(self._past)], 1):
            if len(after) == _PASTS:
                after.clear()
            counts = after.setdefault(self._past[-length:], {})
            counts[token] = counts.get(token, 0) + 1

    def _counted(self, token: int) -> int:
        """What the counts give to `token`."""
        count = int(self._every[token])
        found = self._unit * (8 * count - 7) if count else 0
        return found + sum(unit * (8 * counts[token] - 7) for unit, counts in self._levels if token in counts)

    def _parts(self) -> tuple[int, int, int]:
        """What the shares of the models and the counts are multiplied with: the models also have what these leave."""
        one, two, three = self._weights
        extra = three * self._left >> _BITS
        return one + extra * one // (one + two), two + extra * two // (one + two), three
