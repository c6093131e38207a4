"""Attention over packed documents on a CPU, by `attention.c`, as an operation of PyTorch with its gradient.

Shapes: B rows, H heads, G key heads that query heads share, T tokens, D head size.
"""

import ctypes
import functools
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eyas.errors import EyasError
from eyas.model.network import document_positions
from eyas.native import Uncompiled, compiled

SOURCE = Path(__file__).with_name("attention.c")
TYPES = (torch.float32, torch.bfloat16)


class _Shape(ctypes.Structure):
    """What is computed, as `attention.c` declares it."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("batch", "heads", "groups", "length", "width", "half", "threads")),
        *((name, ctypes.c_int64 * 3) for name in ("q", "k", "v", "grad")),
    )


@functools.cache
def kernels() -> ctypes.CDLL | None:
    """The library; None where there is no compiler for it, and PyTorch computes with masks instead."""
    try:
        return ctypes.CDLL(str(compiled(SOURCE, ("-fopenmp",))))
    except (Uncompiled, OSError):
        return None


def document_begins(doc_ids: Tensor) -> Tensor:
    """The position in its row at which the document of each token begins: (B, T) int32."""
    places = torch.arange(doc_ids.shape[1], device=doc_ids.device)
    return (places - document_positions(doc_ids)).to(torch.int32)


def document_attention(q: Tensor, k: Tensor, v: Tensor, begins: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the tokens from begins[b, t] to t.

    q (B, H, T, D), k and v (B, G, T, D), all bf16 or all fp32; begins (B, T) int32 -> (B, H, T, D). Sums are in fp32.
    """
    out: Tensor = _attend(q, k, v, begins)[0]
    return out.transpose(1, 2)


@torch.library.custom_op("eyas::attend", mutates_args=())
def _attend(q: Tensor, k: Tensor, v: Tensor, begins: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs (B, T, H, D), and log sum exp of each row of scores (B, H, T) fp32."""
    q, k, v = _rows(q), _rows(k), _rows(v)
    out, logs = _results(q)
    _call("eyas_attend", _shape(q, k, v, q), q, k, v, begins.contiguous(), out, logs)
    return out, logs


@_attend.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, begins: Tensor) -> tuple[Tensor, Tensor]:
    return _results(q)


@torch.library.custom_op("eyas::attend_back", mutates_args=())
def _attend_back(
    q: Tensor, k: Tensor, v: Tensor, begins: Tensor, out: Tensor, logs: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by q (B, T, H, D), k and v (B, T, G, D), where the one by `out` is `grad` (B, T, H, D)."""
    q, k, v, grad = _rows(q), _rows(k), _rows(v), _rows(grad.transpose(1, 2))
    found = _gradients(q, k)
    _call("eyas_attend_back", _shape(q, k, v, grad), q, k, v, begins.contiguous(), out, logs, grad, *found)
    return found


@_attend_back.register_fake
def _(
    q: Tensor, k: Tensor, v: Tensor, begins: Tensor, out: Tensor, logs: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    return _gradients(q, k)


def _keep(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs, *output)


def _back(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    return *(one.transpose(1, 2) for one in _attend_back(*ctx.saved_tensors, grad)), None


_attend.register_autograd(_back, setup_context=_keep)


def _results(q: Tensor) -> tuple[Tensor, Tensor]:
    batch, heads, length, width = q.shape
    return q.new_empty(batch, length, heads, width), q.new_empty(batch, heads, length, dtype=torch.float32)


def _gradients(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Room for the gradients by q, k and v, token by token."""
    by_q, by_k, by_v = (one.new_empty(one.transpose(1, 2).shape) for one in (q, k, k))
    return by_q, by_k, by_v


def _rows(x: Tensor) -> Tensor:
    """`x` with the numbers of a head beside one another."""
    return x if x.stride(-1) == 1 else x.contiguous()


def _shape(q: Tensor, k: Tensor, v: Tensor, grad: Tensor) -> _Shape:
    sizes = q.shape[0], q.shape[1], k.shape[1], q.shape[2], q.shape[3]
    steps = ((ctypes.c_int64 * 3)(*x.stride()[:3]) for x in (q, k, v, grad))
    return _Shape(*sizes, int(q.dtype == torch.bfloat16), torch.get_num_threads(), *steps)


def _call(name: str, shape: _Shape, *tensors: Tensor) -> None:
    library = kernels()
    assert library is not None, "asked for without a compiler"
    if not getattr(library, name)(ctypes.byref(shape), *(ctypes.c_void_p(x.data_ptr()) for x in tensors)):
        raise EyasError("there is no memory for attention; use a smaller --batch-size")
