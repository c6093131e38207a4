"""Learning a few things while all else stays: cross-entropy on the corrections, and elsewhere the model as it was.

On rows that are rehearsed the lesson is not the text but what the teacher, the model before, thinks of every next token
(Z. Li and D. Hoiem, "Learning without Forgetting", 2016). Its divergence is zero with a zero gradient at the start, so
that nothing moves but what the corrections push, and what they push too far is pulled back. Cross-entropy on the same
rows would wear off fragile knowledge by its own noise.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from eyas.data.packing import PackedRows
from eyas.data.pairs import PairRows
from eyas.train.chats import Mixed
from eyas.train.objectives import CHUNK_ELEMENTS, IGNORED, Batch, Metrics, Objective, head_loss, product_dtype

HOLD = 4.0
"""What the divergence weighs beside the cross-entropy."""


def holding_loss(teacher: nn.Module, corrections: int) -> Objective:
    """An objective for batches whose first `corrections` rows are to be learnt, and the others rehearsed.

    The loss is cross-entropy plus HOLD times divergence, summed over all targets != -100 and divided by their number,
    in nats; metrics["divergence"] is the latter's part. `teacher` is not trained. See `language_loss` for the batch.
    """
    teacher.eval().requires_grad_(False)

    def loss(model: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        net: Any = model
        hidden = net.hidden(batch["tokens"], batch.get("doc_ids"))
        targets, weight = batch["targets"], net.lm_head.weight
        learnt, _ = head_loss(hidden[:corrections].flatten(0, 1), weight, targets[:corrections].flatten())
        rest = {name: value[corrections:] for name, value in batch.items()}
        kept = _kept(hidden[corrections:], weight, teacher, rest)
        count = float((targets != IGNORED).sum())
        return (learnt + HOLD * kept) / max(count, 1.0), {
            "weight": count,
            "divergence": float(kept.detach()) / max(count, 1.0),
        }

    return loss


@dataclass(frozen=True)
class PairsAndRows:
    """Batches of pairs, and below them as many rows that only hold the model to what it is.

    Tokens, targets and doc_ids are (2 B, T), all else is as PairRows has it.
    """

    pairs: PairRows
    rows: PackedRows | Mixed

    def batch(self, step: int) -> Batch:
        """Batch number `step`."""
        pairs, rows = self.pairs.batch(step), self.rows.batch(step)
        return pairs | {name: torch.cat((pairs[name], rows[name])) for name in rows}


def preferring_and_holding(objective: Objective, teacher: nn.Module, hold_weight: float) -> Objective:
    """`objective` of a PairsAndRows batch's pairs plus `hold_weight` times the mean divergence on its rows, in nats.

    Pairs and rows go through the model one after the other, in the one shape that is compiled for validation too.
    """
    teacher.eval().requires_grad_(False)

    def loss(model: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        count = len(batch["sequence"])
        shared = {name: batch[name] for name in ("tokens", "targets", "doc_ids")}
        preferred, metrics = objective(model, batch | {name: value[:count] for name, value in shared.items()})
        rows = {name: value[count:] for name, value in shared.items()}
        net: Any = model
        kept = _kept(net.hidden(rows["tokens"], rows["doc_ids"]), net.lm_head.weight, teacher, rows)
        mean = kept / (rows["targets"] != IGNORED).sum().clamp(min=1)
        return preferred + hold_weight * mean, metrics | {"divergence": float(mean.detach())}

    return loss


def _kept(hidden: Tensor, weight: Tensor, teacher: nn.Module, rows: Batch) -> Tensor:
    """The divergence from `teacher`, summed over the rows' targets, of a model whose states (B, T, D) are `hidden`."""
    old: Any = teacher.to(hidden.device)
    held = rows["targets"] != IGNORED
    with torch.no_grad():
        wanted = old.hidden(rows["tokens"], rows.get("doc_ids"))[held]
    return divergence(hidden[held], weight, wanted, old.lm_head.weight)


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
