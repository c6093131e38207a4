"""What an engine asks of the arithmetic below it: sequences that are forked and cut, and tokens read into them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eyas.errors import EyasError
from eyas.runtime.sampling import Ask

if TYPE_CHECKING:
    from eyas.model.network import Network

PIECE = 512
"""Tokens of one sequence read in a forward pass at most: bounds the attention scores of a long prompt."""
_PAGE = 64

Logits = Any
"""Rows of logits where the backend computed them: a tensor on its device, or an array."""


@dataclass(frozen=True)
class Piece:
    """Tokens to be read in one forward pass at the end of `sequence`, which holds `start` tokens; for the last `want`
    of them a row of output is asked for."""

    sequence: int
    start: int
    tokens: Sequence[int]
    want: int


class Backend(Protocol):
    """A model with the memory of the sequences it is reading. Two exist: `c_engine` and `torch_engine`.

    A forward pass takes pieces of different sequences, each sequence once. Rows of output come in the order of the
    pieces. Not thread-safe: one thread at a time.
    """

    context: int
    """Tokens a sequence may hold."""
    vocab_size: int
    """Rows of the model's head; the tokenizer may know fewer ids."""
    ids: int
    """Ids that may be chosen: the tokenizer's."""
    n_embd: int
    rows: int
    """Sequences worth running together."""
    together: int
    """New sequences are let in when so many of `rows` are free: 1 where joining costs nothing."""
    chunk: int
    """Tokens of prompts worth reading in one forward pass."""
    room: int
    """Tokens that all sequences together may hold, beside one more whole context."""
    kept: int
    """Finished sequences worth keeping, in case a prompt begins like one of them."""

    def new(self) -> int:
        """A new empty sequence."""

    def fork(self, sequence: int, length: int) -> int:
        """A new sequence that begins with the first `length` tokens of `sequence`."""

    def truncate(self, sequence: int, length: int) -> None:
        """Forget what lies beyond `length` tokens."""

    def release(self, sequence: int) -> None:
        """Forget `sequence`."""

    def forward(self, pieces: Sequence[Piece]) -> Logits:
        """Read the pieces; logits (rows, vocab_size) of the wanted tokens. Raises Cancelled after `cancel`."""

    def scores(self, pieces: Sequence[Piece], targets: Sequence[int]) -> NDArray[np.float32]:
        """Read the pieces; log softmax(logits)[target] in nats for each wanted token, in order."""

    def hidden(self, pieces: Sequence[Piece]) -> NDArray[np.float32]:
        """Read the pieces; states after the final norm (rows, n_embd) of the wanted tokens."""

    def choose(self, logits: Logits, asks: Sequence[Ask]) -> tuple[list[int], list[float]]:
        """One id a row of `logits`, and its log-probability under the model itself. Raises EyasError where a mask is
        empty."""

    def array(self, logits: Logits) -> NDArray[np.float32]:
        """`logits` as an array (rows, vocab_size)."""

    def set_weights(self, model: "Network") -> None:
        """Compute with the weights `model` has now. What sequences hold is stale after it: release them first."""

    def cancel(self) -> None:
        """From another thread: let the forward pass that is running end early, if it can."""


class Cancelled(Exception):
    """A forward pass was broken off; all sequences are as before."""


def rounded(tokens: int) -> int:
    """Room that a sequence of `tokens` may take: caches give it in pages, none larger than 64 tokens."""
    return (tokens // _PAGE + 2) * _PAGE


def checked(ids: Sequence[int], needed: int, backend: Backend) -> list[int]:
    """`ids` as a list, when the backend can read them and has room for `needed` tokens. Raises EyasError."""
    if not ids:
        raise EyasError("an empty prompt cannot be continued; begin with <|endoftext|>")
    if needed > backend.context:
        raise EyasError(
            f"a prompt of {len(ids)} tokens does not fit the model's context of {backend.context}; shorten it"
        )
    if min(ids) < 0 or max(ids) >= backend.vocab_size:
        raise EyasError(f"the prompt holds token ids beyond the model's vocabulary of {backend.vocab_size}")
    return list(ids)
