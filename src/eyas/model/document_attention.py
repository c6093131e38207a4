"""Attention over packed documents on a CPU, by `attention.c`, as an operation of PyTorch with its gradient.

It begins where the product that makes queries, keys and values ends: their norms and rotary positions are part of it.
Shapes: B rows, T tokens, H heads, G key heads that query heads share, D head size.
"""

import ctypes
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eyas.errors import EyasError
from eyas.model.network import document_positions
from eyas.native import library

SOURCE = Path(__file__).with_name("attention.c")
TYPES = (torch.float32, torch.bfloat16)


class _Input(ctypes.Structure):
    """What attention is computed of, as `attention.c` declares it."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("batch", "heads", "groups", "length", "width", "half", "threads")),
        ("eps", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in ("qkv", "norms", "cos", "sin", "begins")),
    )


def kernels() -> ctypes.CDLL | None:
    """The library; None where there is no compiler for it, and PyTorch computes with masks instead."""
    return library(SOURCE)


def document_begins(doc_ids: Tensor) -> Tensor:
    """The position in its row at which the document of each token begins: (B, T) int32."""
    places = torch.arange(doc_ids.shape[1], device=doc_ids.device)
    return (places - document_positions(doc_ids)).to(torch.int32)


def document_attention(
    qkv: Tensor, norms: Tensor | None, cos: Tensor, sin: Tensor, begins: Tensor, heads: int, eps: float
) -> Tensor:
    """softmax(q k^T / sqrt(D)) v over the tokens from begins[b, t] to t, with q and k normalised and rotated.

    qkv (B, T, (H + 2 G) D): queries, keys, values, bf16 or fp32; norms (2, D) fp32: the weights of the RMSNorms of
    queries and keys, None for none; cos, sin (T, D / 2) fp32; begins (B, T) int32 -> (B, T, H D) of the type of qkv.
    Raises EyasError when there is no memory for it.
    """
    out: Tensor = _attend(qkv, norms, cos, sin, begins, heads, eps)[0]
    return out


@torch.library.custom_op("eyas::attend", mutates_args=())
def _attend(
    qkv: Tensor, norms: Tensor | None, cos: Tensor, sin: Tensor, begins: Tensor, heads: int, eps: float
) -> tuple[Tensor, Tensor]:
    """The outputs (B, T, H D), and log sum exp of each row of scores (B, H, T) fp32."""
    out, logs = _results(qkv, cos, heads)
    _call("eyas_attend", (qkv, norms, cos, sin, begins), heads, eps, out, logs)
    return out, logs


@_attend.register_fake
def _(
    qkv: Tensor, norms: Tensor | None, cos: Tensor, sin: Tensor, begins: Tensor, heads: int, eps: float
) -> tuple[Tensor, Tensor]:
    return _results(qkv, cos, heads)


@torch.library.custom_op("eyas::attend_back", mutates_args=())
def _attend_back(
    qkv: Tensor, norms: Tensor | None, cos: Tensor, sin: Tensor, begins: Tensor, out: Tensor, logs: Tensor,
    grad: Tensor, heads: int, eps: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Gradients by qkv and by the norms (2, D), where the one by `out` is `grad` (B, T, H D)."""
    width = 2 * cos.shape[1]
    by_qkv, by_norms = qkv.new_empty(qkv.shape), cos.new_zeros(qkv.shape[0] * _groups(qkv, cos, heads), 2, width)
    _call(
        "eyas_attend_back", (qkv, norms, cos, sin, begins), heads, eps, out, logs, grad.contiguous(), by_qkv, by_norms
    )
    return by_qkv, by_norms.sum(0)


@_attend_back.register_fake
def _(
    qkv: Tensor, norms: Tensor | None, cos: Tensor, sin: Tensor, begins: Tensor, out: Tensor, logs: Tensor,
    grad: Tensor, heads: int, eps: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    return qkv.new_empty(qkv.shape), cos.new_empty(2, 2 * cos.shape[1])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *tensors, ctx.heads, ctx.eps = inputs
    ctx.save_for_backward(*tensors, *output)


def _back(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    by_qkv, by_norms = _attend_back(*ctx.saved_tensors, grad, ctx.heads, ctx.eps)
    return by_qkv, by_norms if ctx.needs_input_grad[1] else None, None, None, None, None, None


_attend.register_autograd(_back, setup_context=_keep)


def _results(qkv: Tensor, cos: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    batch, length, _ = qkv.shape
    return qkv.new_empty(batch, length, heads * 2 * cos.shape[1]), cos.new_empty(batch, heads, length)


def _groups(qkv: Tensor, cos: Tensor, heads: int) -> int:
    return (qkv.shape[2] // (2 * cos.shape[1]) - heads) // 2


def _call(name: str, inputs: tuple[Tensor | None, ...], heads: int, eps: float, *rest: Tensor) -> None:
    library = kernels()
    assert library is not None, "asked for without a compiler"
    kept = [x if x is None else x.contiguous() for x in inputs]  # alive until the call is over
    qkv, _, cos, *_ = kept
    assert qkv is not None and cos is not None
    sizes = qkv.shape[0], heads, _groups(qkv, cos, heads), qkv.shape[1], 2 * cos.shape[1]
    half, threads = int(qkv.dtype == torch.bfloat16), torch.get_num_threads()
    pointers = (None if x is None else x.data_ptr() for x in kept)
    given = _Input(*sizes, half, threads, eps, *pointers)
    if not getattr(library, name)(ctypes.byref(given), *(ctypes.c_void_p(x.data_ptr()) for x in rest)):
        raise EyasError("there is no memory for attention; use a smaller --batch-size")
