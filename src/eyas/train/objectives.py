"""What training minimises: an objective is a function (model, batch) -> (loss, metrics). Shapes: B rows, T tokens."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from eyas.model import softmax
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
    # Rows without a target fill up the last chunk: it then runs in the code compiled for the others.
    kept = -(-count // chunk) * chunk
    if kept < len(targets):
        rows = torch.cat((trained.nonzero(), (~trained).nonzero()[: kept - count])).squeeze(1)
        hidden, targets = hidden[rows], targets[rows]
    return cast(Tensor, _HeadLoss.apply(hidden, weight, targets, chunk)), count  # type: ignore[no-untyped-call]


def product_dtype(weight: Tensor) -> torch.dtype:
    """The type in which products with `weight` are computed: autocast's where it is on."""
    device = weight.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype


class _HeadLoss(torch.autograd.Function):
    """The head and its cross-entropy in one: gradients are found while a chunk's logits are still in cache.

    A row's gradient by its logits is e / sum(e), less 1 at the target, with e = exp(logit - max). The large matrix is
    left undivided: of its two products one is divided, and of the other the small factor.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
        device, dtype = hidden.device.type, product_dtype(weight)
        w = weight.to(dtype)
        total = hidden.new_zeros((), dtype=torch.float32)
        found = any(ctx.needs_input_grad)
        grad_x = torch.empty_like(hidden) if found else hidden
        grad_w = torch.zeros_like(weight) if found else weight
        with torch.autocast(device, enabled=False):
            for start in range(0, len(hidden), chunk):
                part, aims = hidden[start : start + chunk], targets[start : start + chunk]
                trained = (aims != IGNORED).float()[:, None]
                places = torch.arange(len(aims), device=aims.device), aims.clamp(min=0)
                logits = part.to(dtype) @ w.T
                hits = logits[places][:, None].float()
                top, sums, grad = _exponentials(logits, len(part) == chunk)
                losses = sums.log() + top - hits
                total += (losses * trained).sum()
                if found:
                    # Found in fp32 before it is rounded: it matters most where the loss is nearly zero.
                    grad[places] = (sums * torch.expm1(-losses)).squeeze(1).to(dtype)
                    share = trained / sums
                    grad_x[start : start + chunk] = (grad @ w) * share
                    grad_w += grad.T @ (part * share).to(dtype)
        if found:
            ctx.save_for_backward(grad_x, grad_w)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_x, grad_w = ctx.saved_tensors
        return grad_x * grads[0], grad_w * grads[0], None, None


def _exponentials(logits: Tensor, usual: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Of each row the largest logit and the sum of exp(logit - largest), both (C, 1) fp32, and those terms (C, V).

    They may take the place of `logits`.
    """
    if logits.device.type == "cpu" and logits.dtype == torch.bfloat16 and softmax.kernels() is not None:
        return *softmax.exponentials_(logits), logits
    # A last, shorter chunk would compile once more for its own shape.
    return (_exponentials_compiled if usual else _exponentials_plain)(logits)


def _exponentials_plain(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    top = logits.amax(-1, keepdim=True).float()
    terms = (logits.float() - top).exp().to(logits.dtype)
    return top, terms.float().sum(-1, keepdim=True), terms


_exponentials_compiled = region(_exponentials_plain)
