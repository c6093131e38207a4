"""Log-probabilities of whole answers, with gradients: what the objectives of preferences are made of."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from eyas.train.objectives import CHUNK_ELEMENTS, IGNORED, Batch, product_dtype


def sequence_logprobs(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Sums of log P(target) in nats over each sequence's trained positions, and their numbers: (S,) fp32 both.

    batch: tokens, targets (B, T) int64 with -100 where nothing is asked, doc_ids (B, T), sequence (B, T) int64, the
    number of the sequence that a position belongs to, and `reference` (S,), of which only the length is read.
    """
    net: Any = model
    targets = batch["targets"].flatten()
    asked = (targets != IGNORED).nonzero().squeeze(1)
    hidden = net.hidden(batch["tokens"], batch["doc_ids"]).flatten(0, 1)[asked]
    scores = token_logprobs(hidden, net.lm_head.weight, targets[asked])
    owner = batch["sequence"].flatten()[asked]
    zeros = scores.new_zeros(len(batch["reference"]))
    return zeros.index_add(0, owner, scores), zeros.index_add(0, owner, torch.ones_like(scores))


def token_logprobs(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """log softmax(hidden @ weight.T)[target] in nats, (N,) fp32; hidden (N, D), weight (V, D), targets (N,).

    Logits exist for one chunk of rows at a time, in the backward pass anew.
    """
    chunk = max(1, CHUNK_ELEMENTS // len(weight))
    return cast(Tensor, _TokenLogprobs.apply(hidden, weight, targets, chunk))  # type: ignore[no-untyped-call]


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
        device, dtype = hidden.device.type, product_dtype(weight)
        x, w = hidden.to(dtype), weight.to(dtype)
        norms = hidden.new_empty(len(x), dtype=torch.float32)
        hits = torch.empty_like(norms)
        with torch.autocast(device, enabled=False):
            for start in range(0, len(x), chunk):
                part = slice(start, start + chunk)
                logits = (x[part] @ w.T).float()
                norms[part] = logits.logsumexp(-1)
                hits[part] = logits.gather(1, targets[part, None]).squeeze(1)
        ctx.save_for_backward(x, w, targets, norms)
        ctx.chunk, ctx.dtypes = chunk, (hidden.dtype, weight.dtype)
        return hits - norms

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        x, w, targets, norms = ctx.saved_tensors
        grad_x = torch.empty_like(x, dtype=ctx.dtypes[0])
        grad_w = torch.zeros_like(w, dtype=ctx.dtypes[1])
        with torch.autocast(x.device.type, enabled=False):
            for start in range(0, len(x), ctx.chunk):
                part = slice(start, start + ctx.chunk)
                logits = (x[part] @ w.T).float()
                chances = (logits - norms[part, None]).exp()
                grad = -chances * grads[0][part, None]
                grad.scatter_add_(1, targets[part, None], grads[0][part, None])
                grad = grad.to(x.dtype)
                grad_x[part] = grad @ w
                grad_w += grad.T @ x[part]
        return grad_x, grad_w, None, None
