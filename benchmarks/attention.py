"""Attention in C beside PyTorch's compiled products with masks, both ways, as training calls them.

From queries, keys and values side by side, with norms and rotary positions, to what attention has seen.

    python benchmarks/attention.py

Both take turns in one process; told are the medians of milliseconds, and of the ratios of neighbours with their
quartiles. Heads of 64, bf16. The masks themselves, which the C code does without, are not counted.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from eyas.model.attention import causal_attention
from eyas.model.config import ModelConfig
from eyas.model.document_attention import document_attention, document_begins, kernels
from eyas.model.transformer import additive, document_mask, rope_tables, rotate

SHAPES = ((8, 2, 512, 128), (8, 2, 512, 256), (8, 2, 512, 512), (16, 4, 256, 128), (16, 4, 256, 256))
WIDTH = 64  # of a head, as the sizes from 1m on have it
EPS = 1e-6


def with_masks(qkv: Tensor, norms: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
    """What a block of the Transformer does where there is no C compiler."""
    batch, length, _ = qkv.shape
    q, k, v = qkv.view(batch, length, 3, -1, WIDTH).transpose(1, 3).unbind(2)
    q, k = (F.rms_norm(x.float(), (WIDTH,), norm, EPS) for x, norm in zip((q, k), norms, strict=True))
    q, k = (rotate(x, cos, sin).to(v.dtype) for x in (q, k))
    return causal_attention(q, k, v, mask).transpose(1, 2).reshape(batch, length, -1)


def timed(attention: Callable[..., Tensor], inputs: list[Tensor], gradient: Tensor) -> float:
    """Milliseconds of a pass forwards and back."""
    begin = time.perf_counter()
    torch.autograd.grad(attention(*inputs), inputs, gradient)
    return 1000 * (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=25)
    asked = parser.parse_args()
    if kernels() is None:
        parser.exit(1, "attention.c does not compile here; install gcc or clang\n")
    torch.set_num_threads(asked.threads)
    products = torch.compile(with_masks, dynamic=False)
    for batch, heads, length, document in SHAPES:
        qkv = torch.randn(batch, length, 3 * heads * WIDTH, dtype=torch.bfloat16)
        inputs = [qkv.requires_grad_(), torch.ones(2, WIDTH).requires_grad_()]
        gradient = torch.randn(batch, length, heads * WIDTH, dtype=torch.bfloat16)
        turns = rope_tables(ModelConfig.from_size("1m", max_seq_len=length))
        doc_ids = torch.arange(length).div(document, rounding_mode="floor").expand(batch, length)
        mask, begins = additive(document_mask(doc_ids)), document_begins(doc_ids)
        sides = (
            lambda qkv, norms, turns=turns, mask=mask: products(qkv, norms, *turns, mask),
            lambda qkv, norms, turns=turns, begins=begins, heads=heads: document_attention(
                qkv, norms, *turns, begins, heads, EPS
            ),
        )
        for side in sides:
            timed(side, inputs, gradient)
        rounds = [[timed(side, inputs, gradient) for side in sides] for _ in range(asked.rounds)]
        masked, ours = (statistics.median(one[side] for one in rounds) for side in (0, 1))
        low, middle, high = statistics.quantiles((one[0] / one[1] for one in rounds), n=4)
        print(
            f"{batch} rows of {length}, {heads} heads, documents of {document}: "
            f"masks {masked:.1f} ms, C {ours:.1f} ms, ratio {middle:.2f} ({low:.2f} to {high:.2f})"
        )


if __name__ == "__main__":
    main()
