"""Documents of any length become rows of one length; batch `step` is a pure function of (documents, seed, step).

Text is packed window by window (a window is about a million tokens), so that memory-mapped shards far bigger than
memory stream through. Window k of an epoch holds a fixed number of rows and a fixed range of the epoch's shuffled
token stream, so the batch of any step is found without packing what came before: resuming needs the step only.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from eyas.data.bestfit import Piece, pack_cutting, pack_whole
from eyas.data.documents import Ids
from eyas.errors import EyasError

IGNORE = -100
"""Target of a position that is not trained (the field's value: torch's cross_entropy ignores it)."""

SLACK = 0.99
"""Share of a window's positions that hold tokens. The other 1 % is the room that lets best-fit keep documents whole."""

WINDOW_TOKENS = 1 << 20
MAX_BLOCKS = 1 << 20

ChatRow = tuple[Sequence[int], Sequence[bool]]
"""(ids, mask): mask is True on the tokens the assistant produced."""


@runtime_checkable
class TokenDocuments(Protocol):
    """Documents as ids, each beginning with <|endoftext|>; `eyas.data.shards` has the memory-mapped one."""

    @property
    def lengths(self) -> Ids:
        """Number of ids of each document, its leading <|endoftext|> included."""

    @property
    def endoftext(self) -> int:
        """The id that starts a document and is the target of its last position."""

    def read(self, document: int, start: int, stop: int) -> Ids:
        """Ids [start, stop) of one document."""


class MemoryDocuments:
    """Documents held in memory; a missing leading <|endoftext|> is added."""

    def __init__(self, documents: Sequence[Sequence[int] | Ids], endoftext: int = 0):
        self.endoftext = endoftext
        self._ids = [self._started(np.asarray(ids, dtype=np.int64)) for ids in documents]
        self.lengths: Ids = np.array([len(ids) for ids in self._ids], dtype=np.int64)

    def _started(self, ids: Ids) -> Ids:
        return ids if len(ids) and ids[0] == self.endoftext else np.concatenate([[self.endoftext], ids])

    def read(self, document: int, start: int, stop: int) -> Ids:
        """Ids [start, stop) of one document."""
        return self._ids[document][start:stop]


class PackedRows:
    """Rows of `seq_len` positions, `batch_size` of them a step, endlessly: each epoch in a new order.

    `docs`: TokenDocuments (shards), or a sequence of id arrays (text), or a sequence of (ids, mask) pairs (chat).
    Text rows: every token is an input once an epoch; a document starts with <|endoftext|> and its last target is
    <|endoftext|>; what is longer than a row is cut, elsewhere in each epoch. Under 1.1 % of the positions are padding.
    Chat rows: ids as rendered, targets only where mask is True, never cut; a row longer than `seq_len` keeps its
    beginning (`n_truncated`), one without a trained token in that beginning is left out (`n_untrained`).
    Raises EyasError when there is less than one batch.
    """

    def __init__(
        self,
        docs: TokenDocuments | Sequence[Sequence[int] | Ids] | Sequence[ChatRow],
        seq_len: int,
        batch_size: int,
        seed: int,
        isolate: bool = True,
    ):
        if seq_len < 2 or batch_size < 1:
            raise EyasError(f"rows need seq_len >= 2 and batch_size >= 1, not {seq_len} and {batch_size}")
        self.seq_len, self.batch_size, self.seed, self.isolate = seq_len, batch_size, seed, isolate
        self.n_truncated = self.n_untrained = 0
        self._plan: _TextPlan | _ChatPlan
        if isinstance(docs, TokenDocuments):
            self._plan = _TextPlan(docs, seq_len, seed)
        elif len(docs) and isinstance(docs[0], tuple):
            self._plan = _ChatPlan(docs, seq_len, seed)  # type: ignore[arg-type]
            self.n_truncated, self.n_untrained = self._plan.n_truncated, self._plan.n_untrained
        else:
            self._plan = _TextPlan(MemoryDocuments(docs), seq_len, seed)  # type: ignore[arg-type]
        if self.rows_per_epoch < batch_size:
            raise EyasError(
                f"the data fills {self.rows_per_epoch} rows of {seq_len} tokens, less than one batch of {batch_size}: "
                "give more data, a shorter --seq-len or a smaller --batch-size"
            )

    @property
    def rows_per_epoch(self) -> int:
        """Rows that hold every document once."""
        return self._plan.n_rows

    @property
    def steps_per_epoch(self) -> float:
        """Steps that show every document once (a fraction: batches run on from one epoch into the next)."""
        return self.rows_per_epoch / self.batch_size

    @property
    def tokens_per_epoch(self) -> int:
        """Positions of an epoch that are not padding."""
        return self._plan.n_tokens

    @property
    def waste(self) -> float:
        """Share of the positions that are padding."""
        return 1.0 - self.tokens_per_epoch / (self.rows_per_epoch * self.seq_len)

    def batch(self, step: int) -> dict[str, torch.Tensor]:
        """Batch number `step`: tokens and targets (batch_size, seq_len) int64, doc_ids (same shape) int32.

        doc_ids differ between the documents of a row (padding has its own); without `isolate` the key is absent.
        """
        return self.rows(step * self.batch_size, self.batch_size)

    def rows(self, first: int, count: int) -> dict[str, torch.Tensor]:
        """Rows [first, first + count) of the endless sequence, shaped as `batch` has them (a rank reads its share)."""
        shape = (count, self.seq_len)
        tokens = np.full(shape, self._plan.endoftext, dtype=np.int64)
        targets = np.full(shape, IGNORE, dtype=np.int64)
        doc_ids = np.zeros(shape, dtype=np.int32)
        for at in range(count):
            epoch, row = divmod(first + at, self.rows_per_epoch)
            position = number = 0
            for inputs, wanted in self._plan.pieces(epoch, row):
                span = slice(position, position + len(inputs))
                tokens[at, span], targets[at, span], doc_ids[at, span] = inputs, wanted, number
                position, number = span.stop, number + 1
            doc_ids[at, position:] = number
        out = {"tokens": torch.from_numpy(tokens), "targets": torch.from_numpy(targets)}
        if self.isolate:
            out["doc_ids"] = torch.from_numpy(doc_ids)
        return out


def _random(count: int, *key: int) -> NDArray[np.uint64]:
    """`count` random words, a pure function of `key` (the raw stream: numpy promises it across versions)."""
    raw: NDArray[np.uint64] = np.random.PCG64(np.random.SeedSequence([k % 2**64 for k in key])).random_raw(count)
    return raw


def _shuffled(count: int, *key: int) -> NDArray[np.int64]:
    order: NDArray[np.int64] = np.argsort(_random(count, *key), kind="stable").astype(np.int64)
    return order


class _TextPlan:
    """Which piece of which document stands in which row, computed window by window."""

    def __init__(self, docs: TokenDocuments, seq_len: int, seed: int):
        self.docs, self.seq_len, self.seed = docs, seq_len, seed
        self.endoftext = docs.endoftext
        n_docs = len(docs.lengths)
        # Blocks of neighbouring documents are shuffled as one, so that the plan of an epoch stays small
        # (8 MB) however many documents there are. Up to a million documents a block is one document.
        self.block = max(1, -(-n_docs // MAX_BLOCKS))
        starts = np.arange(0, n_docs, self.block)
        self.block_tokens = np.add.reduceat(docs.lengths, starts, dtype=np.int64) if n_docs else starts
        self.n_tokens = int(self.block_tokens.sum())
        self.window_rows = max(128, WINDOW_TOKENS // seq_len)
        self.n_rows = self._rows_holding(self.n_tokens)
        self._epoch = lru_cache(maxsize=2)(self._epoch)  # type: ignore[method-assign]
        self._window = lru_cache(maxsize=3)(self._window)  # type: ignore[method-assign]

    def _tokens_in(self, rows: int) -> int:
        return int(rows * self.seq_len * SLACK)

    def _rows_holding(self, tokens: int) -> int:
        rows = -(-tokens // self.seq_len)
        while self._tokens_in(rows) < tokens:
            rows += max(1, (tokens - self._tokens_in(rows)) // self.seq_len)
        return rows

    def _epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(order of the blocks, stream position at which each begins and the total)."""
        order = _shuffled(len(self.block_tokens), self.seed, epoch, 0)
        return order, np.concatenate([[0], np.cumsum(self.block_tokens[order])])

    def _window(self, epoch: int, window: int) -> list[list[Piece]]:
        first_row = window * self.window_rows
        rows = min(self.window_rows, self.n_rows - first_row)
        begin = min(self._tokens_in(first_row), self.n_tokens)
        end = min(self._tokens_in(first_row + rows), self.n_tokens)
        order, bounds = self._epoch(epoch)
        first = int(np.searchsorted(bounds, begin, side="right")) - 1
        last = int(np.searchsorted(bounds, end, side="left"))
        jitter = _random(1024, self.seed, epoch, 1, window)
        pieces: list[Piece] = []
        for at in range(first, last):
            position = int(bounds[at])
            low = int(order[at]) * self.block
            for document, length in enumerate(self.docs.lengths[low : low + self.block].tolist(), start=low):
                start, stop = max(begin, position) - position, min(end, position + length) - position
                position += length
                if stop > start:
                    pieces += self._cut(document, start, stop, int(jitter[document % 1024]))
        packed = pack_cutting(pieces, self.seq_len, rows)
        return [packed[row] for row in _shuffled(rows, self.seed, epoch, 2, window)]

    def _cut(self, document: int, start: int, stop: int, random: int) -> list[Piece]:
        """A span as pieces of at most `seq_len`; the first cut is random, so that cuts differ between epochs."""
        if stop - start <= self.seq_len:
            return [(document, start, stop - start)]
        first = start + 1 + random % self.seq_len
        edges = [start, *range(first, stop, self.seq_len), stop]
        return [(document, low, high - low) for low, high in pairwise(edges)]

    def pieces(self, epoch: int, row: int) -> list[tuple[Ids, Ids]]:
        """(inputs, targets) of each piece in `row`; the target of a document's last position is <|endoftext|>."""
        out = []
        for document, start, length in self._window(epoch, row // self.window_rows)[row % self.window_rows]:
            ids = self.docs.read(document, start, start + length + 1)
            targets = ids[1:] if len(ids) > length else np.append(ids[1:], self.endoftext)
            out.append((ids[:length], targets))
        return out


class _ChatPlan:
    """Rendered conversations, none cut: packed once, the rows shuffled anew in each epoch."""

    endoftext = 0

    def __init__(self, chats: Sequence[ChatRow], seq_len: int, seed: int):
        self.seed = seed
        self.n_truncated = self.n_untrained = 0
        self._chats: list[tuple[Ids, Ids]] = []
        for ids, mask in chats:
            if len(ids) != len(mask):
                raise ValueError(f"a chat row has {len(ids)} ids but {len(mask)} mask values")
            inputs = np.asarray(ids[:-1], dtype=np.int64)[:seq_len]
            targets = np.where(np.asarray(mask[1:], bool), np.asarray(ids[1:], np.int64), IGNORE)[:seq_len]
            if not (targets != IGNORE).any():
                self.n_untrained += 1
                continue
            self.n_truncated += len(ids) - 1 > seq_len
            self._chats.append((inputs, targets))
        if not self._chats:
            raise EyasError("no conversation has a token to train on: give rows with an assistant's answer")
        lengths = [len(inputs) for inputs, _ in self._chats]
        self._rows = pack_whole(lengths, seq_len)
        self.n_rows, self.n_tokens = len(self._rows), sum(lengths)
        self._epoch = lru_cache(maxsize=2)(self._epoch)  # type: ignore[method-assign]

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        return _shuffled(self.n_rows, self.seed, epoch)

    def pieces(self, epoch: int, row: int) -> list[tuple[Ids, Ids]]:
        """(inputs, targets) of each conversation in `row`."""
        return [self._chats[chat] for chat in self._rows[int(self._epoch(epoch)[row])]]
