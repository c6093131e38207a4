"""Which rows of a head turn together: Hugging Face pairs (i, i + head_dim / 2), llama2.c and GGUF (2i, 2i + 1).

A model is the same in either order as long as queries and keys agree, so changing it only moves rows.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eyas.model.config import ModelConfig

Array = NDArray[Any]


def to_halves(rows: Array, n_head: int) -> Array:
    """Rows (n_head * head_dim, ...) from neighbours to halves."""
    return rows.reshape(n_head, -1, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def to_neighbours(rows: Array, n_head: int) -> Array:
    """Inverse of `to_halves`."""
    return rows.reshape(n_head, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def turned(array: Array, name: str, config: ModelConfig, turn: Callable[[Array, int], Array]) -> Array:
    """`array`, the tensor that Hugging Face calls `name`, with its rows moved by `turn` if it makes queries or keys."""
    if ".q_proj." in name:
        return np.ascontiguousarray(turn(array, config.n_head))
    if ".k_proj." in name:
        return np.ascontiguousarray(turn(array, config.n_kv_head))
    return array
