"""The one engine: generate, stream, score, look inside; over the C runtime (`CEngine`) or PyTorch (`TorchEngine`)."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from eyas.runtime.backend import PIECE, Backend, Piece, checked, rounded
from eyas.runtime.batch import Batch
from eyas.runtime.request import Completion, Mask, Request
from eyas.runtime.sampling import Sampling, likeliest
from eyas.runtime.speculate import Speculator
from eyas.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from eyas.model.network import Network

__all__ = ["Completion", "Engine", "Mask", "Overflow"]

Overflow = Literal["error", "left"]


class Engine:
    """A model that speaks. What it says to a prompt does not depend on what else it is asked.

    `batch` is the continuous batch that all calls share; a server submits to it and steps it by itself. Calls from
    several threads are safe and run together.
    """

    def __init__(self, backend: Backend, tokenizer: Tokenizer, speculator: Speculator | None = None) -> None:
        self.backend, self.tokenizer = backend, tokenizer
        self.batch = Batch(backend, speculator)

    @property
    def context(self) -> int:
        """Tokens that prompt and answer may have together."""
        return self.backend.context

    @property
    def vocab_size(self) -> int:
        """Ids the model knows: the tokenizer's, and what pads its tables."""
        return self.backend.vocab_size

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        stop_ids: Collection[int] | None = None,
        on_token: Callable[[int, int], None] | None = None,
        *,
        seeds: Sequence[int] | None = None,
        overflow: Overflow = "error",
        masks: Sequence[Mask | None] | None = None,
    ) -> list[Completion]:
        """Continue every prompt until a stop token (default: both ends), `max_tokens` or the end of the context.

        on_token(place of the prompt, id) is called for each token as it is said, stop tokens left out. Prompt i draws
        from stream (sampling.seed, i), or (seeds[i], 0) when `seeds` are given, and says what masks[i] allows. A prompt
        that fills the context is an EyasError, or loses its beginning with overflow="left"; so are an empty prompt, ids
        the model does not know and a mask that allows nothing.
        """
        stops = self._stops(stop_ids)
        fitted = [self._fitted(prompt, sampling.max_tokens, overflow) for prompt in prompts]
        for prompt in fitted:
            checked(prompt, len(prompt) + 1, self.backend)
        requests: dict[int, Request] = {}

        def hear(place: int) -> Callable[[int], None] | None:
            return None if on_token is None else lambda token: on_token(place, token)

        try:
            # near lengths run together, so that little is padding; the longest first, so that memory peaks early
            for place in sorted(range(len(fitted)), key=lambda place: -len(fitted[place])):
                stream = (sampling.seed, place) if seeds is None else (seeds[place], 0)
                mask = None if masks is None else masks[place]
                requests[place] = self.batch.submit(
                    fitted[place], sampling, stops, stream=stream, mask=mask, on_token=hear(place)
                )
            for request in requests.values():
                while not request.ended:
                    self.batch.step()
                if request.error is not None:
                    raise request.error
        finally:
            for request in requests.values():
                if not request.ended:
                    self.batch.cancel(request)
        return [requests[place].done for place in range(len(fitted))]

    def stream(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        stop_ids: Collection[int] | None = None,
        *,
        overflow: Overflow = "error",
        mask: Mask | None = None,
    ) -> Iterator[int]:
        """Continue one prompt and yield each token as it is said; the tokens are those of `generate([prompt])`."""
        fitted = self._fitted(prompt, sampling.max_tokens, overflow)
        request = self.batch.submit(fitted, sampling, self._stops(stop_ids), mask=mask)
        given = 0
        try:
            while given < len(request.done.ids) or not request.ended:
                if given < len(request.done.ids):
                    given += 1
                    yield request.done.ids[given - 1]
                else:
                    self.batch.step()
            if request.error is not None:
                raise request.error
        finally:
            if not request.ended:
                self.batch.cancel(request)

    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """log P(sequence[i + 1] | sequence[: i + 1]) in nats for each i: one value fewer than the sequence has tokens.

        Raises EyasError when a sequence is empty or longer than the context.
        """
        rows = [checked(ids, len(ids), self.backend) for ids in sequences]
        found = [np.empty(max(0, len(ids) - 1), dtype=np.float32) for ids in rows]
        for pieces, places in self._reading([ids[:-1] for ids in rows]):
            targets = [rows[i][at + 1 : at + 1 + len(p.tokens)] for (i, at), p in zip(places, pieces, strict=True)]
            values = self.backend.scores(pieces, [one for part in targets for one in part])
            _deal(values, pieces, places, found)
        return found

    def alternatives(self, sequences: Sequence[Sequence[int]], count: int) -> list[list[list[tuple[int, float]]]]:
        """For each token of a sequence but its first, the `count` likeliest ids in its place, the likeliest first, and
        their log-probabilities in nats. Raises EyasError as `logprobs` does."""
        rows = [checked(ids, len(ids), self.backend) for ids in sequences]
        found: list[list[list[tuple[int, float]]]] = [[] for _ in rows]
        for pieces, places in self._reading([ids[:-1] for ids in rows]):
            logits = iter(self.backend.array(self.backend.forward(pieces))[:, : self.backend.ids])
            for (row, _), piece in zip(places, pieces, strict=True):
                found[row] += [likeliest(one, count) for one in islice(logits, piece.want)]
        return found

    def hidden(self, sequences: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """States after the final norm, (tokens, n_embd) for each sequence. Raises EyasError as `logprobs` does."""
        rows = [checked(ids, len(ids), self.backend) for ids in sequences]
        found = [np.empty((len(ids), self.backend.n_embd), dtype=np.float32) for ids in rows]
        for pieces, places in self._reading(rows):
            _deal(self.backend.hidden(pieces), pieces, places, found)
        return found

    def next_logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits (V,) of the token after `ids`, V the model's vocabulary. Raises EyasError as `logprobs` does."""
        tokens = checked(ids, len(ids), self.backend)
        for pieces, ((_, at),) in self._reading([tokens]):
            last = at + len(pieces[0].tokens) == len(tokens)
            logits = self.backend.forward([Piece(pieces[0].sequence, at, pieces[0].tokens, int(last))])
        values: NDArray[np.float32] = self.backend.array(logits)[0]
        return values

    def set_weights(self, model: "Network") -> None:
        """Speak with the weights that `model` has now; answers on their way go on with them."""
        with self.batch.lock:
            self.batch.forget()
            self.backend.set_weights(model)

    # -- what they share

    def _reading(self, rows: list[list[int]]) -> Iterator[tuple[list[Piece], list[tuple[int, int]]]]:
        """Cut `rows` into forward passes of about a chunk of tokens: pieces that want every token, and the (row, start)
        of each. The rows live in sequences of their own, until the iteration goes on to others."""
        order = sorted((i for i, row in enumerate(rows) if row), key=lambda i: -len(rows[i]))
        with self.batch.lock:
            self.batch.make_room()
            # beside running requests there is room for one whole context, as every backend promises
            room = rounded(self.context) if self.batch.busy else self.backend.room
            while order:
                group = [order.pop(0)]
                while order and _fits([rows[i] for i in [*group, order[0]]], self.backend, room):
                    group.append(order.pop(0))
                sequences = {i: self.backend.new() for i in group}
                try:
                    for start in range(0, len(rows[group[0]]), PIECE):
                        here = [i for i in group if len(rows[i]) > start]
                        parts = [rows[i][start : start + PIECE] for i in here]
                        pieces = [Piece(sequences[i], start, p, len(p)) for i, p in zip(here, parts, strict=True)]
                        yield pieces, [(i, start) for i in here]
                finally:
                    for sequence in sequences.values():
                        self.backend.release(sequence)

    def _stops(self, stop_ids: Collection[int] | None) -> Collection[int]:
        if stop_ids is not None:
            return stop_ids
        from eyas.model.checkpoint import end_ids

        return end_ids(self.tokenizer)

    def _fitted(self, prompt: Sequence[int], max_tokens: int, overflow: Overflow) -> list[int]:
        """The prompt; one that fills the context is cut on the left with overflow="left", so that there is room for the
        answer, half the context at most."""
        if len(prompt) >= self.context and overflow == "left":
            return list(prompt[-(self.context - min(max_tokens, self.context // 2)) :])
        return list(prompt)


def _fits(rows: list[list[int]], backend: Backend, room: int) -> bool:
    """Whether `rows` may be read side by side: within the chunk, the sequences and the room."""
    sizes = [len(row) for row in rows]
    return sum(sizes) <= backend.chunk and len(rows) <= backend.rows and sum(map(rounded, sizes)) <= room


def _deal(
    values: NDArray[np.float32], pieces: list[Piece], places: list[tuple[int, int]], found: list[NDArray[np.float32]]
) -> None:
    """Put the output of a forward pass, one value or row a wanted token, where each piece belongs."""
    at = 0
    for (row, start), piece in zip(places, pieces, strict=True):
        found[row][start : start + piece.want] = values[at : at + piece.want]
        at += piece.want
