"""How far back a model remembers: how much better it knows what it has read before.

Copied: a text is read twice, and of the tokens missed the first time counts what is right the second time, as far away
as the text is long (Jelassi et al. 2024, "Repeat After Me", with real text). Recalled: in single documents, pairs of
tokens that no other document holds come again, as names do, and the model is to say the second token of a pair (Arora
et al. 2023, "Zoology", their associative recall hits).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from eyas.errors import EyasError
from eyas.evals.intervals import Share, wilson
from eyas.runtime.engine import Engine

DISTANCES = (8, 16, 32, 64, 128, 256, 512)
_CUE = 2  # tokens of the second reading that tell what is being repeated


@dataclass(frozen=True, slots=True)
class RecallResult:
    """Shares of right greedy tokens by their distance from where they stood before: `copied` at just that distance,
    `recalled` at it or nearer, down to the distance before. `first`: the same pairs at first sight, for comparison.
    Tokens of one text depend on each other, so the intervals are a little too narrow."""

    copied: dict[int, Share]
    recalled: dict[int, Share]
    first: Share

    def as_json(self) -> dict[str, Any]:
        """Figures only, ready for JSON."""
        shares = {"copied": self.copied, "recalled": self.recalled}
        told = {name: {str(d): share.as_json() for d, share in found.items()} for name, found in shares.items()}
        return told | {"first": self.first.as_json()}


def measure_recall(engine: Engine, texts: Sequence[str], *, n: int = 2000) -> RecallResult:
    """What `texts` repeat, and copies of about `n` tokens of them at each distance that fits the context twice.

    Raises EyasError when the texts hold fewer than `n` tokens.
    """
    rows = [ids.tolist() for ids in engine.tokenizer.encode_batch(list(texts))]
    recalled, first = _recalled(engine, rows)
    return RecallResult(_copied(engine, [token for row in rows for token in row], n), recalled, first)


def _copied(engine: Engine, stream: list[int], n: int) -> dict[int, Share]:
    if len(stream) < n:
        raise EyasError(f"recall asks for {n:,} tokens of text, and there are {len(stream):,}; name more with --data")
    found = {}
    for distance in (d for d in DISTANCES if 2 * d < engine.context and d <= n):
        spans = [stream[at : at + distance] for at in range(0, n - distance + 1, distance)]
        said = np.array(_greedy(engine, [[engine.tokenizer.start, *span, *span] for span in spans]))
        # said[i] answers for the token i + 1 of a row, so span[k] is answered at k, and at k + distance again
        right = [said[:, start + _CUE : start + distance] == np.array(spans)[:, _CUE:] for start in (0, distance)]
        found[distance] = wilson(int((right[1] & ~right[0]).sum()), int((~right[0]).sum()))
    return found


def _recalled(engine: Engine, rows: Sequence[list[int]]) -> tuple[dict[int, Share], Share]:
    """Shares by distance, and at first sight; of a text longer than the context only its beginning is read."""
    read = [[engine.tokenizer.start, *row][: engine.context] for row in rows]
    owners = Counter(pair for row in read for pair in set(pairwise(row)))
    hits: Counter[int] = Counter()
    tries: Counter[int] = Counter()
    for row, said in zip(read, _greedy(engine, read), strict=True):
        last: dict[tuple[int, int], int] = {}
        for place, pair in enumerate(pairwise(row)):
            if owners[pair] == 1:
                distance = next((d for d in DISTANCES if place - last[pair] <= d), 0) if pair in last else -1
                tries[distance] += 1
                hits[distance] += said[place] == pair[1]
                last[pair] = place
    return {d: wilson(hits[d], tries[d]) for d in DISTANCES if tries[d]}, wilson(hits[-1], tries[-1])


def _greedy(engine: Engine, rows: Sequence[list[int]]) -> list[list[int]]:
    """The likeliest token in the place of each token of a row but its first."""
    return [[best[0][0] for best in row] for row in engine.alternatives(rows, 1)]
