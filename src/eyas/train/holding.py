"""Learning a few things while all else stays: cross-entropy on the corrections, and elsewhere the model as it was.

On rows that are rehearsed the lesson is not the text but what the teacher, the model before, thinks of every next token
(Z. Li and D. Hoiem, "Learning without Forgetting", 2016). Its divergence is zero with a zero gradient at the start, so
that nothing moves but what the corrections push, and what they push too far is pulled back. Cross-entropy on the same
rows would wear off fragile knowledge by its own noise.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from eyas.train.objectives import CHUNK_ELEMENTS, IGNORED, Batch, Metrics, Objective, head_loss, product_dtype

HOLD = 4.0
"""What the divergence weighs beside the cross-entropy."""


def holding_loss(teacher: nn.Module, corrections: int) -> Objective:
    """An objective for batches whose first `corrections` rows are to be learnt, and the others rehearsed.

    The loss is cross-entropy plus HOLD times divergence, summed over all targets != -100 and divided by their number,
    in nats; metrics["divergence"] is the latter's part. `teacher` is not trained. See `language_loss` for the batch.
    """
    teacher.eval().requires_grad_(False)
    old: Any = teacher

    def loss(model: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        net: Any = model
        old.to(batch["tokens"].device)
        hidden = net.hidden(batch["tokens"], batch.get("doc_ids"))
        targets, weight = batch["targets"], net.lm_head.weight
        learnt, _ = head_loss(hidden[:corrections].flatten(0, 1), weight, targets[:corrections].flatten())
        rest = {name: value[corrections:] for name, value in batch.items()}
        held = rest["targets"] != IGNORED
        with torch.no_grad():
            wanted = old.hidden(rest["tokens"], rest.get("doc_ids"))[held]
        kept = divergence(hidden[corrections:][held], weight, wanted, old.lm_head.weight)
        count = float((targets != IGNORED).sum())
        return (learnt + HOLD * kept) / max(count, 1.0), {
            "weight": count,
            "divergence": float(kept.detach()) / max(count, 1.0),
        }

    return loss


def divergence(hidden: Tensor, weight: Tensor, wanted: Tensor, old_weight: Tensor) -> Tensor:
    """Sum over positions of KL(softmax(wanted @ old_weight.T) || softmax(hidden @ weight.T)) in nats.

    hidden (N, D), weight (V, D), wanted (N, E), old_weight (V, E); gradients go to the first two. Logits exist for one
    chunk of positions at a time.
    """
    return cast(Tensor, _Divergence.apply(hidden, weight, wanted, old_weight))  # type: ignore[no-untyped-call]


class _Divergence(torch.autograd.Function):
    """Gradients are found while a chunk's logits are there: by the logits they are model minus teacher."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, wanted: Tensor, old_weight: Tensor) -> Tensor:
        device, dtype = hidden.device.type, product_dtype(weight)
        x, w, before, old = (tensor.to(dtype) for tensor in (hidden, weight, wanted, old_weight))
        total = hidden.new_zeros((), dtype=torch.float32)
        grad_x, grad_w = torch.empty_like(hidden), torch.zeros_like(weight)
        chunk = max(1, CHUNK_ELEMENTS // len(weight))
        with torch.autocast(device, enabled=False):
            for start in range(0, len(x), chunk):
                part = slice(start, start + chunk)
                mine = (x[part] @ w.T).float().log_softmax(-1)
                aim = (before[part] @ old.T).float().log_softmax(-1)
                total += (aim.exp() * (aim - mine)).sum()
                grad = (mine.exp() - aim.exp()).to(dtype)
                grad_x[part] = grad @ w
                grad_w += grad.T @ x[part]
        ctx.save_for_backward(grad_x, grad_w)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_x, grad_w = ctx.saved_tensors
        return grad_x * grads[0], grad_w * grads[0], None, None
