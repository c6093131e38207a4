"""Text that is read again: what it is worth, and the weight decay that keeps a model from learning it by heart.

Measured on stories by `benchmarks/repeats.py` (docs/recipe.md).
"""

import math

import numpy as np
import numpy.typing as npt

from eyas.train.optim import OptimConfig

MOST_EPOCHS = 8  # what reading more often brings is within the luck of a seed
_MOST_DECAY = 3.0  # that was tried
_DECAYS = 0.2  # rate x weight decay x steps of one epoch, for every epoch after the first
_REPEATS = 1.2  # repeats that all repeats together are worth: R* of Muennighoff et al. 2023, arXiv:2305.16264


def suiting_decay(epochs: float, steps: int, lr: float) -> float:
    """The weight decay with which a run of `steps` at the peak rate `lr` ends best that reads its text `epochs` times.

    In a step a weight loses lr times the decay of itself.
    """
    suits = _DECAYS * epochs * (epochs - 1) / (steps * lr)
    return min(max(suits, OptimConfig.weight_decay), _MOST_DECAY)


def worth(tokens: npt.ArrayLike, unique: float) -> npt.NDArray[np.float64]:
    """How many tokens of new text are as good as `tokens` of which only `unique` are different, the rest repeated."""
    read = np.asarray(tokens, dtype=np.float64)
    if math.isinf(unique):
        return read
    again = np.maximum(read / unique - 1, 0)
    return np.asarray(np.minimum(read, unique) + unique * _REPEATS * (1 - np.exp(-again / _REPEATS)))
