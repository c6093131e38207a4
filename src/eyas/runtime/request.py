"""A prompt on its way through an engine, and what was said after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from eyas.errors import EyasError
from eyas.runtime.sampling import Sampling

Mask = Callable[[Sequence[int]], NDArray[np.uint32] | None]
"""Ids said so far -> which ids may come next, as `Ask.allowed`."""

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass
class Completion:
    """What the model said after a prompt.

    `ids` are without the stop token, which is `stop_id` (None when the length ended it). `logprobs[i]` is the natural
    log-probability of ids[i] under the model itself, before temperature and filters; `stop_logprob` that of the stop.
    `alternatives[i]` are the likeliest ids in place of ids[i] and their log-probabilities, where they were asked for.
    """

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    alternatives: list[list[tuple[int, float]]] = field(default_factory=list)
    finish_reason: FinishReason = "length"
    stop_id: int | None = None
    stop_logprob: float = 0.0


@dataclass(eq=False)
class Request:
    """A prompt on its way; `done` grows as tokens are said, `ended` and `error` tell how it went.

    `tokens` are prompt and answer so far; `draws` holds one uniform number for every token the answer may have, from
    stream `stream`, (seed, row); `alternatives` is how many to tell for each token. `on_token(id)` and `on_end()` are
    called by the thread that steps and must not step.
    """

    tokens: list[int]
    sampling: Sampling
    stops: frozenset[int]
    stream: tuple[int, int]
    draws: NDArray[np.float64]
    mask: Mask | None = None
    alternatives: int = 0
    on_token: Callable[[int], None] | None = None
    on_end: Callable[[], None] | None = None
    done: Completion = field(default_factory=Completion)
    ended: bool = False
    cancelled: bool = False
    error: EyasError | None = None
    sequence: int = -1
    """The backend's sequence while the request runs, else -1; it holds the first `read` tokens."""
    read: int = 0

    @property
    def left(self) -> int:
        """Tokens it may still say."""
        return len(self.draws) - len(self.done.ids)

    @property
    def size(self) -> int:
        """Tokens that it may come to hold."""
        return len(self.tokens) + self.left
