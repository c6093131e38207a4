"""What a model expects next, and how surprised it was on the way."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eyas.runtime.engine import Engine


@dataclass(frozen=True)
class Token:
    """A token of the prompt and its surprise: -log2 of the probability the model gave it."""

    id: int
    bits: float


@dataclass(frozen=True)
class Candidate:
    """A token that may come next."""

    id: int
    probability: float


@dataclass(frozen=True)
class Expectation:
    """What a model makes of a text: `prompt` without its first token, which nothing predicts; `entropy` in bits."""

    prompt: list[Token]
    entropy: float
    candidates: list[Candidate]


def expect(engine: Engine, ids: Sequence[int], *, top: int = 10, temperature: float = 1.0) -> Expectation:
    """The distribution after `ids` (the `top` likeliest tokens, ties by id) and the surprise at each token of them.

    Begin a document with <|endoftext|>, so that its first word is judged too. `temperature` above 0 bends only the
    distribution over the next token. Raises EyasError when `ids` is empty or outgrows the context.
    """
    surprises = -engine.logprobs([ids])[0].astype(np.float64) / math.log(2)
    scaled = engine.next_logits(ids).astype(np.float64) / temperature
    chances = np.exp(scaled - scaled.max())
    chances /= chances.sum()
    held = chances[chances > 0]
    order = np.argsort(-chances, kind="stable")[:top]
    return Expectation(
        prompt=[Token(int(token), float(bits)) for token, bits in zip(ids[1:], surprises, strict=True)],
        entropy=float(-(held * np.log2(held)).sum()),
        candidates=[Candidate(int(token), float(chances[token])) for token in order],
    )
