"""From logits to whole numbers: the share of the interval that each token gets.

Both sides must come to the same shares, on whatever machine: one different bit and all that follows is lost. The logits
have the same bits everywhere (the C engine sees to it), but no two libraries agree on the last bit of exp. So none is
called: a logit's distance from the largest is rounded to a grid of 1/256 nat, which takes a subtraction, a product with
a power of two and a conversion, all exact or rounded in one way by IEEE 754, and exp of every point of the grid is read
from a table that is computed in whole numbers. The rounding costs less than 1e-6 bits a token.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from eyas.errors import EyasError

_GRID = 256  # points a nat
_BITS = 30  # the largest logit's share is 2^30, the least share is 1
_RATIO = 18374827034086858296  # floor(2^64 exp(-1 / 256))
LARGEST_VOCABULARY = 1 << 18
"""So many shares of 2^30 are within the coder's largest total."""


@cache
def table() -> NDArray[np.uint32]:
    """round(2^30 exp(-k / 256)) for k = 0, 1, ... up to the first that is 1."""
    shares: list[int] = []
    value = 1 << _BITS + 64
    while not shares or shares[-1] > 1:
        shares.append(max(1, (value + (1 << 63)) >> 64))
        value = value * _RATIO >> 64
    return np.array(shares, dtype=np.uint32)


def frequencies(logits: NDArray[np.float32], excluded: NDArray[np.intp], sharpness: float = 1.0) -> NDArray[np.uint32]:
    """Shares (rows, V) of the tokens under `logits` (rows, V) by `sharpness`: at least 1 each, 0 for those `excluded`.

    Equal logits give equal shares on every machine. Overwrites the excluded logits. Raises EyasError for a model that
    gives NaN or infinity.
    """
    logits[:, excluded] = -np.inf
    top = logits.max(axis=1, keepdims=True)
    if not np.isfinite(top).all():
        raise EyasError("the model's logits are no numbers; it cannot predict this text")
    shares = table()
    distance = np.subtract(top, logits)
    distance *= np.float32(_GRID * sharpness)
    np.minimum(distance, np.float32(len(shares) - 1), out=distance)
    distance += np.float32(0.5)
    found: NDArray[np.uint32] = shares[distance.astype(np.int32)]
    found[:, excluded] = 0
    return found
