"""What training minimises: an objective is a function (model, batch) -> (loss, metrics). Shapes: B rows, T tokens."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from eyas.train.compiling import region

Batch = dict[str, Tensor]
Metrics = dict[str, float]
Objective = Callable[[nn.Module, Batch], tuple[Tensor, Metrics]]

IGNORED = -100  # a target that is not trained on
CHUNK_ELEMENTS = 2**22  # logits alive at a time: they then stay in the processor's last-level cache


def language_loss(model: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
    """Mean cross-entropy in nats over targets != -100.

    batch: tokens (B, T) int64, targets (B, T) int64, doc_ids (B, T) int32 or absent. Positions without a target never
    reach the head. metrics["weight"] is the number of targets, by which the trainer averages micro-batches and ranks
    (and with the loss the other metrics of an objective); a batch without any target gives a loss of zero with zero
    gradients.
    """
    net: Any = model
    hidden = net.hidden(batch["tokens"], batch.get("doc_ids"))
    targets = batch["targets"].flatten()
    total, count = head_loss(hidden.flatten(0, 1), net.lm_head.weight, targets)
    return total / max(count, 1), {"weight": float(count)}


def head_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    """Sum of cross-entropies of softmax(hidden @ weight.T) at `targets`, and the number of targets != -100.

    hidden (N, D), weight (V, D), targets (N,). Logits exist for one chunk of rows at a time.
    """
    chunk = min(len(targets), max(1, CHUNK_ELEMENTS // len(weight)))
    trained = targets != IGNORED
    count = int(trained.sum())
    if count < len(targets):
        rows = trained.nonzero().squeeze(1)
        hidden, targets = hidden[rows], targets[rows]
    return cast(Tensor, _HeadLoss.apply(hidden, weight, targets, chunk)), count  # type: ignore[no-untyped-call]


def product_dtype(weight: Tensor) -> torch.dtype:
    """The type in which products with `weight` are computed: autocast's where it is on."""
    device = weight.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


class _HeadLoss(torch.autograd.Function):
    """The head and its cross-entropy in one: gradients are found while a chunk's logits are still in cache."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
        device, dtype = hidden.device.type, product_dtype(weight)
        x, w = hidden.to(dtype), weight.to(dtype)
        total = hidden.new_zeros((), dtype=torch.float32)
        ctx.found = any(ctx.needs_input_grad)
        grad_x = torch.empty_like(hidden) if ctx.found else hidden
        grad_w = torch.zeros_like(weight) if ctx.found else weight
        with torch.autocast(device, enabled=False):
            for start in range(0, len(x), chunk):
                part, aims = x[start : start + chunk], targets[start : start + chunk]
                logits = part @ w.T
                if not ctx.found:
                    total += _loss(logits, aims)
                    continue
                # A last, shorter chunk would compile once more for its own shape.
                loss, grad = _loss_and_grad(logits, aims, compiled=len(part) == chunk)
                total += loss
                grad_x[start : start + chunk] = grad @ w
                grad_w += grad.T @ part
        if ctx.found:
            ctx.save_for_backward(grad_x, grad_w)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_x, grad_w = ctx.saved_tensors
        return grad_x * grads[0], grad_w * grads[0], None, None


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    wide = logits.float()
    return (wide.logsumexp(-1) - wide.gather(-1, targets[:, None]).squeeze(-1)).sum()


def _softmax_plain(logits: Tensor) -> tuple[Tensor, Tensor]:
    """log sum exp (fp32) and softmax (in the logits' own type) of each row."""
    wide = logits.float()
    log_sum = wide.logsumexp(-1, keepdim=True)
    return log_sum, (wide - log_sum).exp().to(logits.dtype)


_softmax = region(_softmax_plain)


def _loss_and_grad(logits: Tensor, targets: Tensor, compiled: bool) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy (fp32) and its gradient by the logits (C, V), in their own type."""
    hit = logits.gather(1, targets[:, None]).float()
    log_sum, grad = (_softmax if compiled else _softmax_plain)(logits)
    # The target's own entry, p - 1, is found in fp32 before it is rounded: it matters most where p is nearly 1.
    grad.scatter_(1, targets[:, None], torch.expm1(hit - log_sum).to(grad.dtype))
    return (log_sum - hit).sum(), grad
