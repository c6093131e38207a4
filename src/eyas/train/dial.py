"""The budget dial: how large a model, and how much it will read, in the minutes that there are.

A law of scale says what a run of N parameters on D tokens is expected to reach. The machine says how many tokens a
second N parameters read; near the size at which that is measured, their product is taken as constant.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from eyas.model.config import parse_size
from eyas.model.network import Network
from eyas.train import device as machine
from eyas.train.repeats import MOST_EPOCHS, worth
from eyas.train.speed import time_steps
from eyas.train.trainer import TrainConfig

TOKENS_PER_PARAMETER = 10  # without a law
BATCH_TOKENS, _BATCH_SUITS = 4096, 4e6  # of so many tokens a run: measured, docs/recipe.md
_BATCH_EXPONENT = 0.31  # from there to the best batch of a run of 0.8m tokens
_LEAST_BATCH = 2048
_FIRST_MFU = 0.35  # guessed before anything is measured; runs of 1 to 2m came to 0.27 to 0.44
_TRIALS = 2
_UNHURRIED = 0.8  # of the minutes must be left for a second trial, which is compiled too
_NEAR = 1.3  # times: sizes this near are of one worth, and a new one would have to be compiled
_LEAST_STEPS = 100  # a run of fewer is no run
_BETWEEN = 0.04  # of the time of training, expected to go into validations, samples and checkpoints
_CLOSING = 3.0  # seconds that the last validation and sample and the model's folder take
_LEVEL = 1.01  # times: losses this near are of one worth (two seeds of a run differ by 1 to 2 %)
_HASTE = 1.1  # times the minutes that a run of a known end is expected to take

Array = npt.NDArray[np.float64]


class Law(Protocol):
    """What runs reach; laws and their files are the matter of `eyas.scaling`."""

    @property
    def name(self) -> str:
        """Which law it is, in words."""

    def loss(self, params: npt.ArrayLike, tokens: npt.ArrayLike) -> Array:
        """The loss of runs with `params` parameters that multiply and `tokens` of new text, elementwise."""

    def expect(self, params: float, tokens: float) -> tuple[float, float, float] | None:
        """Bits per byte of a run and the ends of their 95 % interval; None when the law is one of other text."""


@dataclass(frozen=True)
class Pace:
    """How fast the model of `size`, which has `params` parameters that multiply, trains here."""

    size: str
    params: int
    tokens_per_second: float

    @property
    def rate(self) -> float:
        """Parameters times tokens a second."""
        return self.params * self.tokens_per_second


@dataclass(frozen=True)
class Choice:
    """What the dial was turned to: `minutes` are for training, in which `tokens` will be read if the pace holds.

    `epochs` is how often they show the text; where reading it more often would bring nothing, `ends` is true: then
    there are no more tokens, and minutes to spare. `expected` is what the law tells: bits per byte and the ends of
    their interval.
    """

    size: str
    minutes: float
    tokens: int
    expected: tuple[float, float, float] | None
    epochs: float = 0.0
    ends: bool = False

    def told(self, step_tokens: int, law: Law | None) -> str:
        """The choice in one line."""
        run = f"{self.size} parameters, about {self.tokens / 1e6:.3g}m tokens in batches of {step_tokens:,}"
        if self.epochs > 1:
            run += f", the text {self.epochs:.1f} times"
        if self.ends:
            run += f" (more often would bring nothing, so {self.minutes:.2g} minutes will do)"
        if law is None:
            return run
        if self.expected is None:
            return f"{run}, by {law.name}; what this text comes to only a law of its own would tell: eyas scale run"
        bpb, low, high = self.expected
        return f"{run}: by {law.name} about {bpb:.3f} bits per byte [{low:.3f}, {high:.3f}]"


class Dial:
    """Turns minutes, counted from `started` (time.monotonic), into a run whose steps read `step_tokens`.

    `given` is the size where it is not to be chosen; `least` the fewest parameters that may be.
    """

    def __init__(
        self, law: Law | None, minutes: float, started: float, step_tokens: int, least: float, given: str | None
    ) -> None:
        self.law, self.seconds, self.started = law, 60 * minutes, started
        self.step_tokens, self.least, self.given = step_tokens, least, given

    def measure(self, make: Callable[[str], Network], shape: tuple[int, int], config: TrainConfig) -> Pace:
        """The pace of the size that suits the time, tried on batches of `shape` (rows, length).

        A first guess is measured, and where another size suits what was measured, that one too if there is time.
        """
        rate = guessed_rate()
        for _ in range(_TRIALS):
            size = self.given or _size(self._best(rate))
            model = make(size)
            seconds, _ = time_steps(model, shape, config)
            pace = Pace(size, model.config.n_multiplying(), self.step_tokens / seconds)
            rate = pace.rate
            if self._suits(pace) or self._left() < _UNHURRIED * self.seconds:
                break
        return pace

    def turn(self, pace: Pace, unique: float, text_share: float) -> Choice:
        """The run for the time that is left, with `unique` tokens of text, which fill `text_share` of a batch.

        The size whose pace was measured stays unless there is too little text for it.
        """
        size, params = pace.size, pace.params
        if not self._suits(pace, unique):
            size = _size(self._best(pace.rate, unique))
            params = parse_size(size)
        tokens, seconds = pace.rate * self._training() / params, self._left()
        if ends := text_share * tokens > MOST_EPOCHS * unique:
            most = MOST_EPOCHS * unique / text_share
            seconds *= min(1.0, _HASTE * most / tokens)
            tokens = most
        expected = self.law.expect(params, float(worth(text_share * tokens, unique))) if self.law else None
        return Choice(size, seconds / 60, round(tokens), expected, text_share * tokens / unique, ends)

    def tokens_ahead(self, pace: Pace) -> float:
        """Tokens that the run may come to read, told before there are any."""
        return max(_LEAST_STEPS * self.step_tokens, pace.tokens_per_second * self._left())

    def _left(self) -> float:
        """Seconds for training, validations included; a fifth of all when the rest was used up."""
        return max(0.2 * self.seconds, self.seconds - (time.monotonic() - self.started) - _CLOSING)

    def _training(self) -> float:
        return self._left() * (1 - _BETWEEN)

    def _best(self, rate: float, unique: float = math.inf) -> float:
        return best_params(self.law, rate * self._training(), self.least, self.step_tokens, unique)

    def _suits(self, pace: Pace, unique: float = math.inf) -> bool:
        off = math.log(self._best(pace.rate, unique) / pace.params)
        return self.given is not None or abs(off) < math.log(_NEAR)


def best_params(law: Law | None, work: float, least: float, step_tokens: int, unique: float = math.inf) -> float:
    """Parameters of least loss when they can read `work` / parameters tokens, of which `unique` are different.

    Of sizes that end alike the smallest is the best: it answers faster, and has read more.
    """
    if law is None:
        return max(least, math.sqrt(work / TOKENS_PER_PARAMETER))
    params = np.geomspace(least, max(least, work / (step_tokens * _LEAST_STEPS)), 400)
    losses = law.loss(params, worth(work / params, unique))
    return float(params[np.argmax(losses <= _LEVEL * losses.min())])


def suiting_batch(tokens: float) -> int:
    """Tokens a step with which a run of `tokens` ends best: about their cube root, in powers of two."""
    exponent = math.log2(BATCH_TOKENS) + _BATCH_EXPONENT * math.log2(tokens / _BATCH_SUITS)
    return max(_LEAST_BATCH, 1 << round(exponent))


def guessed_rate() -> float:
    """Parameters times tokens a second that training may reach here, by the speed of one large product."""
    device = machine.best_device()
    dtype = torch.bfloat16 if machine.has_bf16(device) else torch.float32
    return machine.peak_flops(device, dtype) * _FIRST_MFU / 6


def _size(params: float) -> str:
    """As `--size` takes it."""
    return f"{params / 1e6:.3g}m"
