"""Weights in fewer bits, in the blocks of 32 that GGUF defines: q8_0 and q4_0, and the halves f16 and bf16."""

from typing import Literal

import numpy as np
from gguf import GGMLQuantizationType, quantize
from numpy.typing import NDArray

WeightType = Literal["f32", "f16", "bf16", "q8_0", "q4_0"]
TYPES: dict[str, GGMLQuantizationType] = {
    "f32": GGMLQuantizationType.F32,
    "f16": GGMLQuantizationType.F16,
    "bf16": GGMLQuantizationType.BF16,
    "q8_0": GGMLQuantizationType.Q8_0,
    "q4_0": GGMLQuantizationType.Q4_0,
}
BLOCK = 32
_CHUNK = 1 << 14  # blocks at a time: what is worked on stays in the cache
_LEAST = 1e-20  # a block of smaller values is zero: f16 has no scale for it
_STEPS = np.arange(-9, 10) * 0.1  # scales tried, in steps of a level around the one that fits the largest value


def encoded(values: NDArray[np.float32], kind: str) -> NDArray[np.uint8]:
    """`values` (rows, columns) as the bytes (rows, bytes a row) of GGUF's type `kind`; blocks run along a row."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    if kind == "q4_0":
        return best_q4_0(values)
    with np.errstate(all="ignore"):  # blocks of almost nothing divide by zero, and come out as zero
        return np.ascontiguousarray(quantize(values, TYPES[kind])).view(np.uint8)


def best_q4_0(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """q4_0 bytes whose scale, block by block, is the one of 19 with the least squared error.

    The usual scale lets the largest value of a block come out exactly and the others where they fall. A little more or
    less, and then the scale that suits the chosen levels best (least squares), loses a fifth less.
    """
    blocks = values.reshape(-1, BLOCK)
    made = np.empty((len(blocks), 2 + BLOCK // 2), dtype=np.uint8)
    for start in range(0, len(blocks), _CHUNK):
        scales, levels = _nearest_levels(blocks[start : start + _CHUNK])
        part = made[start : start + _CHUNK]
        part[:, :2] = scales[:, None].view(np.uint8)
        nibbles = (levels + 8).astype(np.uint8)
        part[:, 2:] = nibbles[:, : BLOCK // 2] | nibbles[:, BLOCK // 2 :] << 4
    return made.reshape(values.shape[0], -1)


def _nearest_levels(blocks: NDArray[np.float32]) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """The scale (n,) and the levels (n, 32), whole numbers from -8 to 7, of each block."""
    place = np.abs(blocks).argmax(axis=1)
    largest = blocks[np.arange(len(blocks)), place]
    inverse = np.divide(1, largest, out=np.zeros_like(largest), where=np.abs(largest) > _LEAST)
    scales = np.zeros(len(blocks), dtype=np.float16)
    levels = np.zeros_like(blocks)
    least = np.full(len(blocks), np.inf, dtype=np.float32)
    for step in _STEPS.astype(np.float32):
        tried = np.clip(np.rint(blocks * (inverse * (step - 8))[:, None]), -8, 7)
        squares = np.einsum("ij,ij->i", tried, tried)
        products = np.einsum("ij,ij->i", blocks, tried)
        scale = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0).astype(np.float16)
        error = np.square(blocks - scale.astype(np.float32)[:, None] * tried).sum(axis=1)
        better = error < least
        least[better], scales[better], levels[better] = error[better], scale[better], tried[better]
    return scales, levels
