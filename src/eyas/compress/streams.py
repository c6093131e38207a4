"""The model reads a text that is longer than its context, in several places at once.

The tokens are cut into `streams` equal parts, which are read side by side as rows of one batch: whoever unzips gets a
token of each from one pass over the weights. A stream is read in windows of the model's context; each begins
with <|endoftext|> and the last `memory` tokens of the one before, so that only a stream's first tokens are guessed
without a past. All streams code into one interval, token 0 of each, then token 1 of each.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eyas.compress.coder import Decoder, Encoder
from eyas.compress.frequencies import frequencies
from eyas.compress.mixture import LOOKED_BACK, UNSURE, Mixture, scaled
from eyas.errors import EyasError
from eyas.runtime.backend import PIECE, Backend, Piece, rounded

_AT_ONCE = 1 << 24
"""Logits that are held at once at most."""


@dataclass(frozen=True)
class Layout:
    """How `tokens` tokens are cut: in `streams` of windows of `window` tokens, `memory` of them read before."""

    tokens: int
    streams: int
    window: int
    memory: int

    def length(self, stream: int) -> int:
        """Tokens of a stream; none is longer than one before it."""
        return self.tokens // self.streams + (stream < self.tokens % self.streams)

    def windows(self, length: int) -> Iterator[tuple[int, int, int]]:
        """For each window of a stream of `length` tokens: where its memory begins, where what it codes begins and ends.

        The memory, <|endoftext|> before it and all that is coded but the last token fill `window` tokens at most.
        """
        first = 0
        while first < length:
            begin = max(0, first - self.memory) if first else 0
            last = min(length, begin + self.window)
            yield begin, first, last
            first = last


@dataclass(frozen=True)
class Reader:
    """A model that predicts: where it computes, the id texts begin with, and the ids no text holds."""

    backend: Backend
    start: int
    excluded: NDArray[np.intp]

    def shares(self, pieces: Sequence[Piece]) -> NDArray[np.uint32]:
        """Read the pieces; shares (rows, 2, V) of the token after each wanted one: by the model, and if less sure."""
        logits = self.backend.array(self.backend.forward(pieces))
        return np.stack([frequencies(logits, self.excluded, sharpness) for sharpness in (1.0, UNSURE)], axis=1)

    def read(self, sequence: int, tokens: list[int], want: int) -> Iterator[NDArray[np.uint32]]:
        """Read `tokens` into the empty `sequence`; shares after the last `want` of them, some rows at a time."""
        size = max(1, min(PIECE // 2, _AT_ONCE // self.backend.vocab_size))
        for at in range(0, len(tokens), size):
            part = tokens[at : at + size]
            wanted = max(0, min(len(part), at + len(part) - (len(tokens) - want)))
            if wanted:
                yield self.shares([Piece(sequence, at, part, wanted)])
            else:
                self.backend.forward([Piece(sequence, at, part, 0)])


def encode(
    reader: Reader, ids: NDArray[np.int32], layout: Layout, done: Callable[[int], None] = lambda count: None
) -> tuple[bytes, bool]:
    """The coded `ids`, and whether the model is mixed with what came before in the file: whichever is shorter.

    `done` is told of every few tokens that are read.
    """
    if not len(ids):
        return b"", False
    found = predict(reader, ids, layout, done)
    alone, mixed = coded(found[:, 0]), coded(_mixtures(ids, layout, found, reader.backend.vocab_size))
    return (mixed, True) if len(mixed) < len(alone) else (alone, False)


def predict(
    reader: Reader, ids: NDArray[np.int32], layout: Layout, done: Callable[[int], None] = lambda count: None
) -> NDArray[np.uint64]:
    """The shares of `ids`, (tokens, 3, 3): start, size and total by the model, the same `scaled`, and if less sure.

    They stand in the order of coding.
    """
    found = np.empty((len(ids), 3, 3), dtype=np.uint64)
    begin = 0
    for stream in range(layout.streams):
        own = ids[begin : begin + layout.length(stream)]
        for memory, first, last in layout.windows(len(own)):
            text = [reader.start, *own[memory : last - 1].tolist()]
            sequence = reader.backend.new()
            at = first
            try:
                for shares in reader.read(sequence, text, last - first):
                    said = own[at : at + len(shares)]
                    place = slice(begin + at, begin + at + len(shares))
                    each = (shares[:, 0], scaled(shares[:, 0]), scaled(shares[:, 1]))
                    found[place] = np.stack([_share_of(one, said) for one in each], axis=1)
                    at += len(shares)
                    done(len(shares))
            finally:
                reader.backend.release(sequence)
        begin += len(own)
    return found[_interleaved(layout)[0]]


def coded(shares: Iterable[Sequence[int]]) -> bytes:
    """The code of tokens with these shares: start, size and total."""
    encoder = Encoder()
    for start, size, total in shares:
        encoder.encode(int(start), int(size), int(total))
    return encoder.finish()


def _mixtures(
    ids: NDArray[np.int32], layout: Layout, found: NDArray[np.uint64], vocab_size: int
) -> Iterator[Sequence[int]]:
    """The shares of `ids` by a mixture, in the order of coding; `found` as `predict` gives it."""
    mixture, tokens = Mixture(vocab_size), ids.tolist()
    for place, past, models in zip(*(each.tolist() for each in _interleaved(layout)), found, strict=True):
        _, sure, unsure = models.tolist()
        mixture.look(tokens[place - min(past, LOOKED_BACK) : place])
        yield mixture.share(tokens[place], sure, unsure)
        mixture.learn(tokens[place], sure[1], unsure[1])


def decode(
    reader: Reader,
    data: bytes,
    layout: Layout,
    mixed: bool = False,
    done: Callable[[int], None] = lambda count: None,
) -> list[int]:
    """The ids whose code is `data`. Raises EyasError when the bytes are damaged or memory is short."""
    backend, decoder = reader.backend, Decoder(data)
    if layout.streams * rounded(layout.window) > backend.room + rounded(backend.context):
        raise EyasError(f"there is no memory to read {layout.streams} parts side by side; unzip on a larger machine")
    if not layout.tokens:
        return []
    texts: list[list[int]] = [[] for _ in range(layout.streams)]
    mixture = Mixture(backend.vocab_size) if mixed else None
    shortest = layout.tokens // layout.streams
    for memory, first, last in layout.windows(layout.length(0)):
        sequences = [backend.new() for _ in texts]
        try:
            shares = np.concatenate(
                [
                    part
                    for sequence, text in zip(sequences, texts, strict=True)
                    for part in reader.read(sequence, [reader.start, *text[memory:first]], 1)
                ]
            )
            for at in range(first, last):
                speaking = layout.streams if at < shortest else layout.tokens % layout.streams
                for text, models in zip(texts[:speaking], shares, strict=False):
                    text.append(
                        _next(decoder, models[0]) if mixture is None else _mixed(decoder, mixture, text, models)
                    )
                done(speaking)
                if at + 1 < last:
                    go_on = layout.streams if at + 1 < shortest else layout.tokens % layout.streams
                    place = 1 + at - memory
                    here = zip(sequences[:go_on], texts, strict=False)
                    shares = reader.shares([Piece(sequence, place, text[-1:], 1) for sequence, text in here])
        finally:
            for sequence in sequences:
                backend.release(sequence)
    return [token for text in texts for token in text]


def _mixed(decoder: Decoder, mixture: Mixture, past: Sequence[int], models: NDArray[np.uint32]) -> int:
    """Decode the token after `past` by a mixture with both `models` (2, V)."""
    sure, unsure = scaled(models)
    mixture.look(past[-LOOKED_BACK:])
    token = _next(decoder, mixture.shares(sure, unsure))
    mixture.learn(token, int(sure[token]), int(unsure[token]))
    return token


def _share_of(shares: NDArray[np.unsignedinteger], said: NDArray[np.int32]) -> NDArray[np.uint64]:
    """Start, size and total, (rows, 3), of one token in each row of `shares`."""
    ends = np.cumsum(shares, axis=1, dtype=np.uint64)
    rows = np.arange(len(shares))
    sizes = shares[rows, said].astype(np.uint64)
    return np.stack([ends[rows, said] - sizes, sizes, ends[:, -1]], axis=1)


def _next(decoder: Decoder, shares: NDArray[np.unsignedinteger]) -> int:
    """Decode the token that one row of `shares` (V,) belongs to."""
    ends = np.cumsum(shares, dtype=np.uint64)
    target = decoder.target(int(ends[-1]))
    token = int(np.searchsorted(ends, np.uint64(target), side="right"))
    size = int(shares[token])
    decoder.take(int(ends[token]) - size, size)
    return token


def _interleaved(layout: Layout) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places of the tokens in the order they are coded, and how many stand before each in its stream."""
    lengths = np.array([layout.length(stream) for stream in range(layout.streams)], dtype=np.intp)
    within = np.concatenate([np.arange(length) for length in lengths] or [np.empty(0, dtype=np.intp)])
    stream = np.repeat(np.arange(layout.streams), lengths)
    order = np.lexsort((stream, within))
    return order, within[order]
