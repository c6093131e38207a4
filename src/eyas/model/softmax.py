"""The head's softmax on a CPU, by `softmax.c`: one pass for the largest logit of a row, one for all the rest."""

import ctypes
from pathlib import Path

import torch
from torch import Tensor

from eyas.native import library

SOURCE = Path(__file__).with_name("softmax.c")


def kernels() -> ctypes.CDLL | None:
    """The library; None where there is no compiler for it."""
    return library(SOURCE)


def exponentials_(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Turn logits (C, V) bf16, contiguous, into exp(logit - largest of its row), in place.

    Returns the largest and the sum of each row, (C, 1) fp32; terms are rounded after they are summed.
    """
    found = kernels()
    assert found is not None and logits.is_contiguous() and logits.dtype == torch.bfloat16
    rows, width = logits.shape
    top, sums = torch.empty(rows, 1), torch.empty(rows, 1)
    sizes, threads = (ctypes.c_int64(rows), ctypes.c_int64(width)), ctypes.c_int32(torch.get_num_threads())
    at, *into = (ctypes.c_void_p(x.data_ptr()) for x in (logits, top, sums))
    found.eyas_softmax(at, *sizes, *into, threads)
    return top, sums
