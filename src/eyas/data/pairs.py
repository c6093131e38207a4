"""Pairs of answers as training rows: rendered, and packed so that both answers of a pair stand in one batch."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from eyas.data.packing import IGNORE
from eyas.errors import EyasError
from eyas.text.chat import render
from eyas.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Answer:
    """A conversation as ids, ending with the assistant's end of turn.

    `said` marks what the assistant said after the prompt: what a tool told it on the way is read, not learned.
    """

    ids: list[int]
    said: list[bool]


@dataclass(frozen=True)
class Pair:
    """Two answers that are seen together, and whether the first is wanted (always, but for single thumbs)."""

    first: Answer
    second: Answer
    wanted: bool = True


def answer(tokenizer: Tokenizer, prompt: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, Any]]) -> Answer:
    """Render `prompt` (messages) and what was `said` after it. Raises EyasError."""
    start = len(render(tokenizer, list(prompt)).ids)
    chat = render(tokenizer, [*prompt, *said])
    spoken = [at for at, mine in enumerate(chat.mask) if mine and at >= start]
    if not spoken:
        raise EyasError("a preference's answers must be said by the assistant")
    end = spoken[-1] + 1
    return Answer(chat.ids[:end], [mine and at >= start for at, mine in enumerate(chat.mask[:end])])


def without_thoughts(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The messages as a user sees them: what is judged."""
    return [{key: value for key, value in one.items() if key != "reasoning_content"} for one in messages]


def preferences(tokenizer: Tokenizer, rows: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Imported rows of prompt, chosen and rejected as pairs, the chosen answer first. Raises EyasError."""
    return [
        _parted(answer(tokenizer, row["prompt"], row["chosen"]), answer(tokenizer, row["prompt"], row["rejected"]))
        for row in rows
    ]


def _parted(first: Answer, second: Answer) -> Pair:
    """The pair, with nothing asked where both begin alike: of that, a thought for instance, nobody preferred anything.

    The objectives' gradients cancel there, but in bf16 they leave noise, and an SFT term would learn it by heart.
    """
    ends = len(first.ids) - 1, len(second.ids) - 1  # the end of a turn is always asked
    same = (a == b for a, b in zip(first.ids, second.ids, strict=False))
    shared = min(next((at for at, equal in enumerate(same) if not equal), max(ends)), *ends)
    first, second = (Answer(one.ids, [False] * shared + one.said[shared:]) for one in (first, second))
    return Pair(first, second)


def thumbs(tokenizer: Tokenizer, rows: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Rows of prompt, completion and label, each paired with the next row's answer to its own prompt.

    Nobody meant that second answer: how likely it becomes tells how far a model drifts. Raises EyasError.
    """
    if len(rows) < 2:
        raise EyasError("kto needs at least two thumbs to train on, and two where some are held out; give more rows")
    return [
        Pair(
            answer(tokenizer, row["prompt"], row["completion"]),
            answer(tokenizer, row["prompt"], after["completion"]),
            bool(row["label"]),
        )
        for row, after in zip(rows, [*rows[1:], rows[0]], strict=True)
    ]


class PairRows:
    """Batches of `batch_size` rows of `seq_len` positions, filled with whole pairs; each epoch in a new order.

    A batch is a pure function of its number. Beside tokens, targets, doc_ids (B, T) as PackedRows has them it holds
    `sequence` (B, T) int64, the number of a position's sequence: 2 p for the first answer of the batch's pair p,
    2 p + 1 for the second; `last` (S,) int64, where each sequence's last token stands in the flattened rows; `pairs`
    (P,) int64, which pairs these are; `wanted` (P,) bool; and `reference` (S,) fp32, zero until `set_reference`.
    Pairs with an answer longer than a row are left out (`n_too_long`). Raises EyasError when none is left.
    """

    def __init__(self, pairs: Sequence[Pair], seq_len: int, batch_size: int, seed: int) -> None:
        self.seq_len, self.batch_size, self.seed = seq_len, batch_size, seed
        self.pairs = [pair for pair in pairs if self._fits(len(pair.first.ids), len(pair.second.ids))]
        self.n_too_long = len(pairs) - len(self.pairs)
        if not self.pairs:
            raise EyasError(f"no pair of answers fits rows of {seq_len} tokens; raise --context, or give shorter ones")
        self._reference = np.zeros((len(self.pairs), 2), dtype=np.float32)
        self._epoch = lru_cache(maxsize=2)(self._packed)
        self._starts = [0]  # the first step of each epoch met so far, and of the next

    def _fits(self, first: int, second: int) -> bool:
        return max(first, second) <= self.seq_len and (self.batch_size > 1 or first + second <= self.seq_len)

    @property
    def steps_per_epoch(self) -> int:
        """Batches that show every pair once (of the first epoch; others may differ by a few)."""
        return len(self._epoch(0))

    def set_reference(self, logprobs: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        """Let batches hold the reference's log-probabilities, (pairs, 2) in the order of `self.pairs`."""
        self._reference = logprobs

    def epoch(self, number: int) -> Iterator[dict[str, torch.Tensor]]:
        """The batches of one epoch: every pair once."""
        return (self._filled(rows) for rows in self._epoch(number))

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """Batch number `step`."""
        while step >= self._starts[-1]:
            self._starts.append(self._starts[-1] + len(self._epoch(len(self._starts) - 1)))
        epoch = bisect_right(self._starts, step) - 1
        return self._filled(self._epoch(epoch)[step - self._starts[epoch]])

    def _packed(self, epoch: int) -> list[list[list[tuple[int, int]]]]:
        """For each batch its rows, each a list of (pair, 0 for its first answer or 1)."""
        random = np.random.PCG64(np.random.SeedSequence([self.seed % 2**64, epoch])).random_raw(len(self.pairs))
        batches: list[list[list[tuple[int, int]]]] = []
        free: list[int] = []
        for pair in np.argsort(random, kind="stable").tolist():
            sizes = [len(self.pairs[pair].first.ids), len(self.pairs[pair].second.ids)]
            places = _places(free, sizes)
            if places is None:
                batches.append([[] for _ in range(self.batch_size)])
                free = [self.seq_len] * self.batch_size
                places = _places(free, sizes)
                assert places is not None
            for side, row in enumerate(places):
                batches[-1][row].append((pair, side))
                free[row] -= sizes[side]
        return batches

    def _filled(self, rows: list[list[tuple[int, int]]]) -> dict[str, torch.Tensor]:
        shape = (self.batch_size, self.seq_len)
        tokens, targets = np.zeros(shape, dtype=np.int64), np.full(shape, IGNORE, dtype=np.int64)
        doc_ids, sequence = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int64)
        here = sorted({pair for row in rows for pair, _ in row})
        number = {pair: place for place, pair in enumerate(here)}
        last = np.zeros(2 * len(here), dtype=np.int64)
        for at, row in enumerate(rows):
            position = 0
            for document, (pair, side) in enumerate(row):
                one = self.pairs[pair].second if side else self.pairs[pair].first
                end = position + len(one.ids)
                tokens[at, position:end] = one.ids
                asked = np.array(one.said[1:], dtype=np.bool_)
                targets[at, position : end - 1][asked] = np.array(one.ids[1:])[asked]
                doc_ids[at, position:end] = document
                sequence[at, position:end] = 2 * number[pair] + side
                last[2 * number[pair] + side] = at * self.seq_len + end - 1
                position = end
            doc_ids[at, position:] = len(row)
        arrays = {
            "tokens": tokens, "targets": targets, "doc_ids": doc_ids, "sequence": sequence, "last": last,
            "pairs": np.array(here), "wanted": np.array([self.pairs[pair].wanted for pair in here]),
            "reference": self._reference[here].flatten(),
        }  # fmt: skip
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _places(free: list[int], sizes: list[int]) -> list[int] | None:
    """The fullest rows that still have room for each of `sizes`, or None when one finds none."""
    left, places = list(free), []
    for size in sizes:
        rows = [row for row, room in enumerate(left) if room >= size]
        if not rows:
            return None
        places.append(min(rows, key=left.__getitem__))
        left[places[-1]] -= size
    return places
