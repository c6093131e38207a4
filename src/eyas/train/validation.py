"""How well a model predicts held-out rows, in the batches' own shape so that training's compiled code serves."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from eyas.data.packing import PackedRows
from eyas.train.objectives import IGNORED, Batch, head_loss

Evaluate = Callable[[nn.Module], dict[str, float]]


def heldout_loss(model: nn.Module, batch: Batch) -> tuple[float, int]:
    """(sum of cross-entropies in nats, number of targets) of one batch. Gradients stay enabled, see `evaluator`."""
    net: Any = model
    hidden = net.hidden(batch["tokens"], batch.get("doc_ids")).detach()
    weight = net.lm_head.weight.detach()
    total, count = head_loss(hidden.flatten(0, 1), weight, batch["targets"].flatten())
    return float(total), count


def evaluator(
    docs: Any, seq_len: int, batch_size: int, *, max_batches: int, token_bytes: np.ndarray[Any, Any] | None = None
) -> Evaluate:
    """A function of a model that returns val_loss (nats a token) and, given the bytes of each id, val_bpb.

    Reads the first `max_batches` batches of `docs` (see PackedRows), always the same. The forward pass is the training
    one (gradients enabled, never used): a pass without would be compiled on its own for what it saves.
    """
    rows = PackedRows(docs, seq_len, 1, seed=0)
    wanted = min(rows.rows_per_epoch, max_batches * batch_size)
    lengths = None if token_bytes is None else torch.from_numpy(token_bytes.astype(np.int64))

    def evaluate(model: nn.Module) -> dict[str, float]:
        nats, tokens, n_bytes = 0.0, 0, 0
        device = next(model.parameters()).device
        for first in range(0, wanted, batch_size):
            batch = rows.rows(first, batch_size)
            batch["targets"][wanted - first :] = IGNORED  # rows past the end repeat the beginning
            if lengths is not None:
                targets = batch["targets"]
                n_bytes += int(lengths[targets[targets != IGNORED]].sum())
            loss, count = heldout_loss(model, {name: value.to(device) for name, value in batch.items()})
            nats, tokens = nats + loss, tokens + count
        figures = {"val_loss": nats / max(tokens, 1)}
        if n_bytes:
            figures["val_bpb"] = nats / math.log(2) / n_bytes
        return figures

    return evaluate
