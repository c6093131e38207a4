"""The rules of `sampling.distribution` for many rows at once, on the device the logits are on."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from eyas.runtime.sampling import Ask, Sampling, nothing_allowed, unpacked


def probabilities(logits: Tensor, sampling: Sampling) -> Tensor:
    """logits (B, V) -> the distribution (B, V) that is drawn from, in fp32; temperature 0 puts all on the likeliest."""
    if sampling.temperature == 0:
        return torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]).float()
    scaled = logits.float() / sampling.temperature
    if 0 < sampling.top_k < scaled.shape[-1]:
        least = scaled.topk(sampling.top_k).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, -math.inf)
    if sampling.top_p < 1:
        ranked, order = scaled.softmax(-1).sort(descending=True, stable=True)
        before = ranked.cumsum(-1) - ranked  # what likelier tokens hold already; the likeliest always stays
        drop = torch.zeros_like(before, dtype=torch.bool).scatter_(1, order, before >= sampling.top_p)
        scaled = scaled.masked_fill(drop, -math.inf)
    if sampling.min_p > 0:
        least = scaled.max(-1, keepdim=True).values + math.log(sampling.min_p)
        scaled = scaled.masked_fill(scaled < least, -math.inf)
    return scaled.softmax(-1)


def pick(logits: Tensor, sampling: Sampling, draws: Tensor) -> Tensor:
    """One token a row: logits (B, V), draws (B,) in [0, 1) -> ids (B,), by inverting the cumulative distribution."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    cumulative = probabilities(logits, sampling).cumsum(-1, dtype=torch.float64)
    targets = draws.to(cumulative)[:, None] * cumulative[:, -1:]
    # strictly above the target, so that a token of probability 0 is never hit, not even by a draw of 0
    return (cumulative <= targets).sum(-1).clamp_(max=logits.shape[-1] - 1)


def choose(logits: Tensor, asks: Sequence[Ask]) -> Tensor:
    """One id (B,) for each row of logits (B, V) and its ask: `_bent`, then `pick`. Raises EyasError."""
    logits = _bent(logits, asks)
    found = torch.empty(len(asks), dtype=torch.int64, device=logits.device)
    for sampling in dict.fromkeys(ask.sampling for ask in asks):
        rows = [row for row, ask in enumerate(asks) if ask.sampling == sampling]
        draws = torch.tensor([asks[row].draw for row in rows], dtype=torch.float64, device=logits.device)
        found[rows] = pick(logits if len(rows) == len(asks) else logits[rows], sampling, draws)
    return found


def _bent(logits: Tensor, asks: Sequence[Ask]) -> Tensor:
    """The logits after biases, repetition penalties and masks; the same tensor where there are none."""
    if all(ask.allowed is None and ask.said is None and ask.bias is None for ask in asks):
        return logits
    logits = logits.clone()
    for row, ask in zip(logits, asks, strict=True):
        if ask.bias is not None:
            ids, values = (torch.from_numpy(part).to(row.device) for part in ask.bias)
            row[ids.long()] += values.to(row)
        if ask.said is not None:
            said = torch.from_numpy(ask.said.astype(np.int64)).to(row.device)
            part, penalty = row[said], ask.sampling.repetition_penalty
            row[said] = torch.where(part > 0, part / penalty, part * penalty)
        if ask.allowed is not None:
            allowed = torch.from_numpy(unpacked(ask.allowed, len(row))).to(row.device)
            if not bool(allowed.any()):
                raise nothing_allowed()
            row.masked_fill_(~allowed, -math.inf)
    return logits
